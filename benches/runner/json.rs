//! The results, as others read them.

use std::{
    fmt::{self, Write},
    io, thread,
};

use super::{
    column::Column,
    parent::{Outcome, Spread},
    scenario::Cell,
};

/// All that was measured, and on what.
pub struct Report<'a> {
    pub effort: &'static str,
    pub columns: &'a [&'a Column],
    pub rows: Vec<(&'a Cell, Vec<Outcome>)>,
}

impl Report<'_> {
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut text = String::new();
        self.format(&mut text).map_err(io::Error::other)?;
        out.write_all(text.as_bytes())
    }

    fn format(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{{")?;
        writeln!(out, "  \"format\": 1,")?;
        writeln!(out, "  \"os\": {},", string(std::env::consts::OS))?;
        writeln!(out, "  \"arch\": {},", string(std::env::consts::ARCH))?;
        writeln!(out, "  \"system\": {},", string(&system()))?;
        writeln!(
            out,
            "  \"processors\": {},",
            thread::available_parallelism().map_or(1, usize::from)
        )?;
        writeln!(out, "  \"effort\": {},", string(self.effort))?;
        let columns: Vec<_> = self.columns.iter().map(|it| string(it.name)).collect();
        writeln!(out, "  \"columns\": [{}],", columns.join(", "))?;
        let ours: Vec<_> = self.columns.iter().filter(|it| it.is_ours).collect();
        let ours: Vec<_> = ours.iter().map(|it| string(it.name)).collect();
        writeln!(out, "  \"ours\": [{}],", ours.join(", "))?;
        writeln!(out, "  \"cells\": [")?;
        for (index, (cell, outcomes)) in self.rows.iter().enumerate() {
            let metrics: Vec<_> = cell
                .scenario
                .metrics()
                .iter()
                .map(|it| string(it))
                .collect();
            writeln!(out, "    {{")?;
            writeln!(out, "      \"id\": {},", string(&cell.id))?;
            writeln!(out, "      \"unit\": {},", string(cell.scenario.unit()))?;
            writeln!(out, "      \"metrics\": [{}],", metrics.join(", "))?;
            writeln!(out, "      \"results\": {{")?;
            let results: Vec<_> = self
                .columns
                .iter()
                .zip(outcomes)
                .filter_map(|(column, outcome)| {
                    Some(format!(
                        "        {}: {}",
                        string(column.name),
                        result(outcome)?
                    ))
                })
                .collect();
            writeln!(out, "{}", results.join(",\n"))?;
            writeln!(out, "      }}")?;
            let comma = if index + 1 < self.rows.len() { "," } else { "" };
            writeln!(out, "    }}{comma}")?;
        }
        writeln!(out, "  ]")?;
        writeln!(out, "}}")
    }
}

/// `null` is for what hangs; what is nothing for a column is left out.
fn result(outcome: &Outcome) -> Option<String> {
    let spreads = match outcome {
        Outcome::Nothing => return None,
        Outcome::Hangs => return Some("null".to_owned()),
        Outcome::Measured(spreads) => spreads,
    };
    let list = |of: fn(&Spread) -> f64| {
        let values: Vec<_> = spreads.iter().map(|it| format!("{:.2}", of(it))).collect();
        format!("[{}]", values.join(", "))
    };
    Some(format!(
        "{{\"median\": {}, \"low\": {}, \"high\": {}, \"runs\": {}}}",
        list(|it| it.median),
        list(|it| it.low),
        list(|it| it.high),
        spreads.first().map_or(0, |it| it.runs)
    ))
}

fn string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' => vec!['\\', '"'],
            '\\' => vec!['\\', '\\'],
            c if c.is_control() => vec![' '],
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}

/// The kernel's version and the processor's name, as far as the system tells.
fn system() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, model)| model);
    let release = kernel.split('-').next().unwrap_or_default().trim();
    [release, model]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
