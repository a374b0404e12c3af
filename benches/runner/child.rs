//! One column's process: it runs what it is told to, when it is told to.
//!
//! A column has a process of its own because it may hang, and then has to be ended; because how a
//! runtime is signalled is set for a process; and because what one leaves behind on the heap and on the
//! runtimes is then no other's. Only one of the processes does anything at a time.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{column::Column, scenario::Cell};
use crate::workload::Remotes;

/// Answers each line with the results of one run. For the process's main thread.
pub fn serve(column: &Column, cell: &Cell) -> io::Result<()> {
    let mut remotes = Remotes::default();
    for line in io::stdin().lock().lines() {
        line?;
        let answer = match column.run(&cell.scenario, &mut remotes) {
            None => "nothing".to_owned(),
            Some(values) => values
                .iter()
                .map(f64::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

const BIT: Duration = Duration::from_millis(100);

/// A process that [serves](serve).
pub struct Worker {
    process: Child,
    answers: mpsc::Receiver<String>,
}

pub enum Answer {
    Values(Vec<f64>),
    /// It is nothing for this column.
    Nothing,
    /// It did not answer in time, or died.
    Hangs,
}

impl Worker {
    pub fn new(column: &Column, cell: &Cell) -> io::Result<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["--serve", column.name, "--cell", &cell.id])
            .env("COMPIO_SYNC_TIER", column.tier)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().expect("it was asked for");
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, answers })
    }

    /// Waits bit by bit: if everything is stopped for a while, that counts as one bit.
    fn answer(&self, patience: Duration) -> Option<String> {
        for _ in 0..patience.as_millis() / BIT.as_millis() {
            match self.answers.recv_timeout(BIT) {
                Ok(line) => return Some(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }

    /// Has it do one run.
    pub fn run(&mut self, patience: Duration) -> Answer {
        let input = self.process.stdin.as_mut().expect("it was asked for");
        if writeln!(input).and_then(|()| input.flush()).is_err() {
            return Answer::Hangs;
        }
        match self.answer(patience) {
            None => Answer::Hangs,
            Some(line) if line == "nothing" => Answer::Nothing,
            Some(line) => match line.split(' ').map(str::parse).collect() {
                Ok(values) => Answer::Values(values),
                Err(_) => Answer::Hangs,
            },
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
