//! `unsilo ledger export`: the ledger as tables.

mod csv;
mod parquet;
mod rows;
mod sheet;
mod tables;

use std::{
    cell::Cell,
    fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use tempfile::NamedTempFile;
use unsilo_ledger::{Replica, store::read_from};

use self::{
    rows::Rows,
    sheet::{Row, Sheet},
    tables::Table,
};
use super::place::{Place, needs_full_log};
use crate::{
    commands::Global,
    exit::CommandError,
    output::{self, table},
};

/// Write the ledger as tables, a file each: entries, rounds, contributions, ratings, rewards, accounts, violations.
///
/// docs/ledger.md says what is in each column. The ledger is verified on the way. All files are complete when they
/// appear under their names; if anything goes wrong, none does. In CSV files a text that a spreadsheet could take
/// for a formula (it begins with =, +, - or @) gets a ' in front; Parquet files have the text as it is.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Directory for the files; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The files' format.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Replace files of these names.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Comma-separated values, UTF-8, with a header.
    Csv,
    /// Apache Parquet, with types.
    Parquet,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// A table on its way to its file.
struct Output {
    table: Table,
    path: PathBuf,
    /// Beside the file's place, so that renaming is one step. Gone when dropped.
    temporary: NamedTempFile,
    sheet: Box<dyn Sheet>,
    rows: u64,
}

/// A table that is written.
struct Written {
    table: Table,
    path: PathBuf,
    rows: u64,
    bytes: u64,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let file = arguments.place.file()?;
    check_free(arguments)?;
    let made = make_directory(&arguments.out)?;
    let complete = export(&file, arguments)
        .with_context(|| format!("nothing was exported to {}", arguments.out.display()));
    let written = complete.and_then(|complete| name_all(complete, arguments.force));
    if written.is_err()
        && let Some(made) = made
    {
        // Only if it is empty, as it is unless somebody else uses it by now.
        let _ = fs::remove_dir(made);
    }
    let written = written?;
    let document = json!({
        "format": arguments.format.extension(),
        "directory": arguments.out,
        "tables": written
            .iter()
            .map(|one| json!({
                "table": one.table.name(),
                "file": one.path,
                "rows": one.rows,
                "bytes": one.bytes,
            }))
            .collect::<Vec<_>>(),
    });
    output::print(global.json, &document, || {
        let mut rows = vec![
            ["table", "rows", "bytes", "file"]
                .map(str::to_owned)
                .to_vec(),
        ];
        rows.extend(written.iter().map(|one| {
            vec![
                one.table.name().to_owned(),
                one.rows.to_string(),
                one.bytes.to_string(),
                one.path.display().to_string(),
            ]
        }));
        table(&rows, &[1, 2])
    })
}

fn path_of(arguments: &Arguments, table: Table) -> PathBuf {
    let name = format!("{}.{}", table.name(), arguments.format.extension());
    arguments.out.join(name)
}

/// Before anything is read: nobody waits for minutes to be told this.
fn check_free(arguments: &Arguments) -> Result<(), CommandError> {
    for path in Table::ALL.map(|table| path_of(arguments, table)) {
        if path.is_dir() {
            return Err(CommandError::Input(format!(
                "{} is a directory: give another --out",
                path.display()
            )));
        }
        if path.symlink_metadata().is_ok() && !arguments.force {
            return Err(CommandError::Input(format!(
                "{} exists already: give another --out, or --force to replace it",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The directory, if it had to be made.
fn make_directory(out: &Path) -> anyhow::Result<Option<&Path>> {
    if out.is_dir() {
        return Ok(None);
    }
    fs::create_dir_all(out)
        .with_context(|| format!("cannot make the directory {}", out.display()))?;
    Ok(Some(out))
}

/// Every table, complete and synced, under a temporary name.
fn export(file: &Path, arguments: &Arguments) -> anyhow::Result<Vec<(Written, NamedTempFile)>> {
    let mut outputs = Table::ALL
        .into_iter()
        .map(|table| Output::new(table, arguments))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut rows = Rows::new();
    let mut failed = None;
    let first = Cell::new(0);
    let begin = |replica: &Replica| first.set(replica.first());
    read_from(file, begin, |index, entry| {
        // Tables without the beginning would look whole.
        if failed.is_none() && first.get() == 0 {
            let followed = rows.follow(index, entry, &mut |table, row| {
                put(&mut outputs, table, &row)
            });
            failed = followed.err();
        }
    })?;
    if first.get() > 0 {
        return Err(needs_full_log("exporting the ledger", first.get()).into());
    }
    match failed {
        Some(error) => return Err(error),
        None => rows.finish(&mut |table, row| put(&mut outputs, table, &row))?,
    }
    // All are complete and on the disk before the first gets its name.
    outputs.into_iter().map(Output::complete).collect()
}

/// Gives complete files their names. Where that fails on the way, new ones are taken away again; what was replaced by
/// `force` stays replaced, and the error says so.
fn name_all(complete: Vec<(Written, NamedTempFile)>, force: bool) -> anyhow::Result<Vec<Written>> {
    let mut named: Vec<Written> = Vec::with_capacity(complete.len());
    for (written, temporary) in complete {
        let result = if force {
            temporary.persist(&written.path)
        } else {
            temporary.persist_noclobber(&written.path)
        };
        if let Err(error) = result {
            let done = if force {
                format!("{} files are new, the others as they were", named.len())
            } else {
                for written in &named {
                    let _ = fs::remove_file(&written.path);
                }
                "nothing was exported".to_owned()
            };
            return Err(error.error)
                .with_context(|| format!("cannot write {}", written.path.display()))
                .context(done);
        }
        named.push(written);
    }
    Ok(named)
}

fn put(outputs: &mut [Output], table: Table, row: &Row) -> anyhow::Result<()> {
    let Some(output) = outputs.iter_mut().find(|output| output.table == table) else {
        anyhow::bail!("there is no table {}", table.name());
    };
    output.rows += 1;
    output
        .sheet
        .put(row)
        .with_context(|| format!("cannot write {}", output.path.display()))
}

impl Output {
    fn new(table: Table, arguments: &Arguments) -> anyhow::Result<Self> {
        let path = path_of(arguments, table);
        let cannot = || format!("cannot write {}", path.display());
        let temporary = {
            use std::os::unix::fs::PermissionsExt as _;
            tempfile::Builder::new()
                .prefix(".unsilo-export-")
                // As any new file: what the user's mask leaves of it.
                .permissions(fs::Permissions::from_mode(0o666))
                .tempfile_in(&arguments.out)
                .with_context(cannot)?
        };
        let writer = BufWriter::new(temporary.as_file().try_clone().with_context(cannot)?);
        let sheet: Box<dyn Sheet> = match arguments.format {
            Format::Csv => Box::new(csv::Csv::new(writer, table.columns()).with_context(cannot)?),
            Format::Parquet => Box::new(parquet::Parquet::new(writer, table).with_context(cannot)?),
        };
        Ok(Self {
            table,
            path,
            temporary,
            sheet,
            rows: 0,
        })
    }

    /// Everything on the disk, under its temporary name.
    fn complete(self) -> anyhow::Result<(Written, NamedTempFile)> {
        let cannot = || format!("cannot write {}", self.path.display());
        let mut writer = self.sheet.finish().with_context(cannot)?;
        writer.flush().with_context(cannot)?;
        let file = self.temporary.as_file();
        file.sync_all().with_context(cannot)?;
        let bytes = file.metadata().with_context(cannot)?.len();
        let written = Written {
            table: self.table,
            path: self.path.clone(),
            rows: self.rows,
            bytes,
        };
        Ok((written, self.temporary))
    }
}
