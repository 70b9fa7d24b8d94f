//! Runs the benchmarks and writes their figures.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use tests::bench::{ALL, Figure, LONG};

/// Measures speed and size, each beside a floor measured in the same run.
#[derive(Parser)]
struct Arguments {
    /// Take this figure only.
    #[arg(long)]
    only: Option<String>,
    /// Where the figures go, as JSON.
    #[arg(long, default_value = "target/bench/results.json")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let named = |names: &[&str]| arguments.only.as_deref().map(|only| names.contains(&only));
    let all = ALL
        .iter()
        .filter(|benchmark| named(benchmark.names).unwrap_or(true));
    let long = LONG
        .iter()
        .filter(|benchmark| named(benchmark.names).unwrap_or(false));
    let chosen: Vec<_> = all.chain(long).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = ALL
            .iter()
            .chain(LONG)
            .flat_map(|benchmark| benchmark.names)
            .copied()
            .collect();
        anyhow::bail!("no such figure; there are: {}", names.join(", "));
    }
    let mut figures: Vec<Figure> = Vec::new();
    println!("{:<36} {:>16} {:>16} {:>8}", "figure", "value", "floor", "ratio");
    for benchmark in chosen {
        for figure in (benchmark.run)()? {
            let (value, unit) = (figure.value, figure.unit);
            println!(
                "{:<36} {value:>16.2} {:>16.2} {:>8.2}  {unit}",
                figure.name, figure.baseline, figure.ratio
            );
            figures.push(figure);
        }
    }
    let folder = arguments.out.parent().context("--out names a file in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let text = serde_json::to_string_pretty(&figures)?;
    std::fs::write(&arguments.out, text)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    println!("\nwritten to {}", arguments.out.display());
    Ok(())
}
