//! All that the documentation says about speed, measured: every scenario for every peer.
//!
//! ```sh
//! cargo bench --bench ratios                          # everything, about 40 minutes
//! cargo bench --bench ratios -- --quick --json FILE   # a few minutes
//! cargo bench --bench ratios -- --cells contend/2x8   # those whose name has that in it
//! cargo bench --bench ratios -- --columns tokio       # this crate, and these
//! cargo bench --bench ratios -- --list
//! ```
//!
//! Each figure is the median of many short runs. The peers take turns, each in a process of its
//! own, so that whatever else the machine does hits them alike, and so that one that hangs is
//! found out and ended. `scripts/benchmark_all_platforms.sh` makes tables and plots of the results.

use std::{error::Error, fs::File, io};

use lexopt::prelude::*;

mod peers;
mod runner;
mod workload;

use runner::{
    child,
    column::{COLUMNS, Column},
    json::Report,
    parent::{Effort, Outcome, measure},
    scenario::{Cell, cells},
};

#[global_allocator]
static ALLOCATOR: workload::Counting = workload::Counting;

#[derive(Default)]
struct Options {
    is_quick: bool,
    lists: bool,
    json: Option<String>,
    cells: Vec<String>,
    columns: Vec<String>,
    runs: Option<usize>,
    serve: Option<String>,
    cell: Option<String>,
    once: Option<usize>,
}

impl Options {
    fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("quick") => options.is_quick = true,
                Long("list") => options.lists = true,
                Long("json") => options.json = Some(parser.value()?.string()?),
                Long("cells") => options.cells.push(parser.value()?.string()?),
                Long("columns") => options.columns.push(parser.value()?.string()?),
                Long("runs") => options.runs = Some(parser.value()?.parse()?),
                // For the processes that this one starts.
                Long("serve") => options.serve = Some(parser.value()?.string()?),
                Long("cell") => options.cell = Some(parser.value()?.string()?),
                // For whoever watches what a column does.
                Long("once") => options.once = Some(parser.value()?.parse()?),
                // Cargo passes it along.
                Long("bench") => {}
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let cells = cells();
    if let Some(name) = &options.serve {
        let column = COLUMNS.iter().find(|column| column.name == name);
        let cell = cells
            .iter()
            .find(|it| Some(&it.id) == options.cell.as_ref());
        let (Some(column), Some(cell)) = (column, cell) else {
            return Err("no such column or cell".into());
        };
        return match options.once {
            None => Ok(child::serve(column, cell)?),
            Some(runs) => {
                let mut remotes = Default::default();
                for _ in 0..runs {
                    if column.run(&cell.scenario, &mut remotes).is_none() {
                        return Err("that is nothing for this column".into());
                    }
                }
                println!("{}", runs * cell.scenario.operations());
                Ok(())
            }
        };
    }

    let mut effort = if options.is_quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    if let Some(runs) = options.runs {
        effort.generations = 1;
        effort.runs = runs;
        effort.least = 1;
    }
    let cells: Vec<&Cell> = cells
        .iter()
        .filter(|cell| !(options.is_quick && cell.is_extra))
        .filter(|cell| is_asked_for(&options.cells, &cell.id))
        .collect();
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(index, column)| *index == 0 || is_asked_for(&options.columns, column.name))
        .map(|(_, column)| column)
        .collect();
    if options.lists {
        for cell in cells {
            println!("{}", cell.id);
        }
        return Ok(());
    }

    let mut report = Report {
        effort: if options.is_quick { "quick" } else { "full" },
        columns: &columns,
        rows: Vec::new(),
    };
    for cell in cells {
        let outcomes = measure(&columns, cell, &effort)?;
        print(cell, &columns, &outcomes);
        report.rows.push((cell, outcomes));
    }
    match options.json.as_deref() {
        Some("-") => report.write(&mut io::stdout())?,
        Some(path) => report.write(&mut File::create(path)?)?,
        None => {}
    }
    Ok(())
}

fn is_asked_for(filters: &[String], name: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(&**filter))
}

/// Prints a row: each column's median, and the first column's ratio to it.
fn print(cell: &Cell, columns: &[&Column], outcomes: &[Outcome]) {
    let first = match &outcomes[0] {
        Outcome::Measured(spreads) => spreads[0].median,
        _ => f64::NAN,
    };
    println!("{} ({})", cell.id, cell.scenario.unit());
    for (column, outcome) in columns.iter().zip(outcomes) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Hangs => println!("  {:<20} hangs", column.name),
            Outcome::Measured(spreads) => {
                let it = spreads[0];
                print!(
                    "  {:<20} {:>12.1}   ratio {:>5.2}   {:.1}..{:.1} of {}",
                    column.name,
                    it.median,
                    first / it.median,
                    it.low,
                    it.high,
                    it.runs
                );
                for (name, it) in cell.scenario.metrics().iter().zip(spreads).skip(1) {
                    print!("   {name} {:.0}", it.median);
                }
                println!();
            }
        }
    }
}
