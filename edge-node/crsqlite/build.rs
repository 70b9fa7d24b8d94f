//! Builds the cr-sqlite extension that the crate embeds.
//!
//! cr-sqlite is in no crate registry; its npm package ships the C and Rust source. The package is fetched by
//! `npm ci`, which checks the hash pinned in `package-lock.json` and runs none of its scripts. `CRSQLITE_LIB`
//! names a library built elsewhere instead (cross builds, machines without network).
//!
//! The result is kept in `<target>/crsqlite/<version>-<hash of the recipe>`: debug, release and clippy builds
//! share it, and a lock file makes concurrent builds wait for the first. What is missing is told in one sentence.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const VERSION: &str = "0.16.3";
const PACKAGE: &str = "package.json";
const LOCK: &str = "package-lock.json";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    for file in ["build.rs", PACKAGE, LOCK] {
        println!("cargo::rerun-if-changed={file}");
    }
    for variable in ["CRSQLITE_LIB", "CC", "LIBCLANG_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if let Err(problem) = embed() {
        println!("cargo::error={}", problem.to_string().replace('\n', " "));
    }
}

/// Puts the library where `src/library.rs` includes it from. A copy: the shared folder may be deleted any time.
fn embed() -> Result<()> {
    let library = match env::var_os("CRSQLITE_LIB") {
        Some(library) => PathBuf::from(library),
        None => shared_library()?,
    };
    let embedded = PathBuf::from(variable("OUT_DIR")?).join("crsqlite.so");
    fs::copy(&library, &embedded)
        .map_err(|error| format!("cannot read the cr-sqlite library {}: {error}", library.display()))?;
    println!("cargo::rustc-env=CRSQLITE_EMBEDDED={}", embedded.display());
    Ok(())
}

/// The library built by this recipe, by this or an earlier run.
fn shared_library() -> Result<PathBuf> {
    let folder = shared_folder()?;
    fs::create_dir_all(&folder)?;
    let library = folder.join("crsqlite.so");
    // Held until the process ends, however it ends.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    if !library.exists() {
        let tools = Tools::find()?;
        let work = folder.join("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work)?;
        let source = fetch(&tools, &work)?;
        patch(&source)?;
        let core = build_core(&source, &work)?;
        let linked = link(&tools, &source, &core, &work)?;
        fs::rename(linked, &library)?;
        fs::remove_dir_all(&work)?;
    }
    Ok(library)
}

/// `OUT_DIR` is `<target>[/<triple>]/<profile>/build/<package>/out`.
fn shared_folder() -> Result<PathBuf> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let triple = variable("TARGET")?;
    let mut target = out
        .ancestors()
        .find(|folder| folder.ends_with("build"))
        .and_then(|build| build.parent()?.parent());
    if target.is_some_and(|folder| folder.ends_with(&triple)) {
        target = target.and_then(Path::parent);
    }
    let mut hasher = DefaultHasher::new();
    include_str!("build.rs").hash(&mut hasher);
    fs::read(LOCK)?.hash(&mut hasher);
    triple.hash(&mut hasher);
    env::var_os("CC").hash(&mut hasher);
    let name = format!("{VERSION}-{:016x}", hasher.finish());
    Ok(target.unwrap_or(&out).join("crsqlite").join(name))
}

/// Programs that the build calls, looked for before any work is done.
struct Tools {
    npm: OsString,
    cc: OsString,
}

impl Tools {
    fn find() -> Result<Tools> {
        let npm = OsString::from("npm");
        if !answers(&npm) {
            return Err(
                "npm is needed to fetch the source of cr-sqlite: install it (`apt-get install -y npm`), \
                        or set CRSQLITE_LIB to a built cr-sqlite library"
                    .into(),
            );
        }
        let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
        if !answers(&cc) {
            return Err("a C compiler is needed to build cr-sqlite: install one (`apt-get install -y gcc libc6-dev`), \
                        or set CC"
                .into());
        }
        match libclang_exists() {
            true => Ok(Tools { npm, cc }),
            false => Err(LIBCLANG_MISSING.into()),
        }
    }
}

const LIBCLANG_MISSING: &str = "libclang and its headers are needed to build cr-sqlite: install them \
    (`apt-get install -y libclang-dev`), or set LIBCLANG_PATH to the folder of libclang.so";

fn answers(program: &OsString) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Looks where bindgen will look, so that its absence is told before minutes of work.
fn libclang_exists() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let mut folders: Vec<PathBuf> = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"]
        .map(PathBuf::from)
        .to_vec();
    // Distributions install it one or two folders below, such as llvm-14/lib or x86_64-linux-gnu.
    for below in fs::read_dir("/usr/lib").into_iter().flatten().flatten() {
        folders.push(below.path());
        folders.push(below.path().join("lib"));
    }
    if let Ok(output) = Command::new("llvm-config").arg("--libdir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    folders
        .iter()
        .flat_map(fs::read_dir)
        .flatten()
        .flatten()
        .any(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("libclang.so") || name.starts_with("libclang-") && name.contains(".so")
        })
}

fn fetch(tools: &Tools, work: &Path) -> Result<PathBuf> {
    for file in [PACKAGE, LOCK] {
        fs::copy(file, work.join(file))?;
    }
    let mut npm = Command::new(&tools.npm);
    npm.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ])
    .current_dir(work);
    finish(&mut npm, |_| {
        "npm could not fetch the source of cr-sqlite: check the network and npm's registry setting, \
         or set CRSQLITE_LIB to a built cr-sqlite library"
    })?;
    Ok(work.join("node_modules/@vlcn.io/crsqlite"))
}

/// The package pins a nightly compiler for features that current stable compilers have under `RUSTC_BOOTSTRAP`,
/// but for one that it names and does not use.
fn patch(source: &Path) -> Result<()> {
    remove_toolchain_pins(&source.join("rs"))?;
    let capi = source.join("rs/sqlite-rs-embedded/sqlite3_capi/src/lib.rs");
    let text = fs::read_to_string(&capi)?;
    fs::write(&capi, text.replace("#![feature(concat_idents)]", ""))?;
    // A workspace of its own: the target folder usually lies inside ours.
    let manifest = source.join("rs/bundle_static/Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text + "\n[workspace]\n")?;
    Ok(())
}

fn remove_toolchain_pins(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_toolchain_pins(&entry.path())?;
        } else if entry.file_name() == "rust-toolchain.toml" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn build_core(source: &Path, work: &Path) -> Result<PathBuf> {
    let triple = variable("TARGET")?;
    let target = work.join("target");
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if is_of_outer_build(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--features",
            "loadable_extension",
            "--target",
            &triple,
        ])
        .current_dir(source.join("rs/bundle_static"))
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CRSQLITE_COMMIT_SHA", format!("npm-{VERSION}"));
    finish(&mut cargo, |output| {
        let missing = ["libclang", "stdarg.h", "stddef.h"];
        match missing.iter().any(|name| output.contains(name)) {
            true => LIBCLANG_MISSING,
            false => {
                "cargo could not build cr-sqlite: check the network and cargo's registry setting, \
                      or set CRSQLITE_LIB to a built cr-sqlite library"
            }
        }
    })?;
    Ok(target.join(triple).join("release/libcrsql_bundle_static.a"))
}

/// Whether a variable carries the settings of the build we are part of (profile, flags, clippy as compiler).
/// Where packages come from, and how many jobs run, stays.
fn is_of_outer_build(name: &str) -> bool {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let set_by_cargo = name.starts_with("CARGO") || name.starts_with("RUSTC") || name == "RUSTFLAGS";
    set_by_cargo && !KEPT.iter().any(|kept| name.starts_with(kept))
}

fn link(tools: &Tools, source: &Path, core: &Path, work: &Path) -> Result<PathBuf> {
    let library = work.join("crsqlite.so");
    let mut cc = Command::new(&tools.cc);
    cc.args([
        "-O2",
        "-fPIC",
        "-shared",
        "-s",
        "-Wl,--gc-sections",
        "-Isrc",
        "-Isrc/sqlite",
    ])
    .args(["src/crsqlite.c", "src/changes-vtab.c", "src/ext-data.c"])
    .arg(core)
    .arg("-o")
    .arg(&library)
    .current_dir(source);
    finish(&mut cc, |_| {
        "the C compiler could not link cr-sqlite: install the headers of the C library \
         (`apt-get install -y libc6-dev`)"
    })?;
    Ok(library)
}

/// Runs a program to its end. Its full output is in cargo's log of the build script; the error is one sentence.
fn finish(command: &mut Command, explain: impl Fn(&str) -> &'static str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("cannot run {program} to build cr-sqlite: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    eprintln!("{output}");
    let is_error = |line: &&str| line.starts_with("error") || line.starts_with("npm error");
    let first = output.lines().find(is_error).unwrap_or("it gave no reason");
    Err(format!("{} ({first})", explain(&output)).into())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| format!("cargo did not set {name} for the build of crsqlite").into())
}
