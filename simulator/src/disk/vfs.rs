//! SQLite's file system over the disks of this process: opening, deleting and finding files. What an open file can
//! do is in [`open_file`].
#![expect(unsafe_code, reason = "SQLite's file systems are tables of C functions")]

mod memory;
mod open_file;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, OnceLock};

use rusqlite::ffi;

use super::registry::{self, Shared};
use super::state::{Refused, State};
use open_file::OpenFile;

/// [`super::VFS`] for C.
const NAME: &CStr = c"simulated";
/// Longest path, bytes.
const PATH_BYTES_MAX: c_int = 512;
/// What `now` is in SQL, milliseconds of the Julian day: 2000-01-01 00:00 UTC. Nothing may depend on it.
const NOW_JULIAN_MS: i64 = 211_813_444_800_000;
/// Milliseconds in a day.
const DAY_MS: f64 = 86_400_000.0;

/// Registers the file system with SQLite, once per process.
///
/// # Panics
/// SQLite has no memory for it.
pub(super) fn register() {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // SAFETY: called with null it returns SQLite's default file system, which lives as long as the process.
        let default = unsafe {
            ffi::sqlite3_initialize();
            ffi::sqlite3_vfs_find(std::ptr::null())
        };
        let vfs = Box::leak(Box::new(table(default)));
        // SAFETY: the table is never freed, and every function in it keeps SQLite's contract.
        let answer = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(
            answer,
            ffi::SQLITE_OK,
            "BUG: SQLite takes any well-formed file system"
        );
    });
}

fn table(default: *mut ffi::sqlite3_vfs) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: c_int::try_from(size_of::<OpenFile>()).expect("BUG: an open file is a few words"),
        mxPathname: PATH_BYTES_MAX,
        pNext: std::ptr::null_mut(),
        zName: NAME.as_ptr(),
        pAppData: default.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: Some(library_open),
        xDlError: Some(library_error),
        xDlSym: Some(library_symbol),
        xDlClose: Some(library_close),
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// What SQLite is told.
fn code(refused: Refused, otherwise: c_int) -> c_int {
    match refused {
        Refused::Full => ffi::SQLITE_FULL,
        Refused::Busy => ffi::SQLITE_BUSY,
        Refused::Dead | Refused::Failed | Refused::Missing | Refused::Present => otherwise,
    }
}

/// The disk and the name that a path from SQLite stands for.
///
/// # Safety
/// `path` is null or a C string that outlives the call.
unsafe fn place<'a>(path: *const c_char) -> Option<(Arc<Shared>, &'a str)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for it.
    let path = unsafe { CStr::from_ptr(path) };
    registry::find(path.to_str().ok()?)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let file = file.cast::<OpenFile>();
    // SAFETY: SQLite gives room for `szOsFile` bytes. Without methods it does not call `xClose` after a failure.
    unsafe { file.write(OpenFile::closed()) };
    // SAFETY: SQLite's path is null, for a temporary file, or a C string.
    let found = match unsafe { place(path) } {
        Some((disk, name)) => Some((disk, Some(name))),
        None if path.is_null() => Some((Shared::of(State::default()), None)),
        None => None,
    };
    let Some((disk, name)) = found else {
        return ffi::SQLITE_CANTOPEN;
    };
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let exclusive = flags & ffi::SQLITE_OPEN_EXCLUSIVE != 0;
    let opened = disk.state().open(name, create, exclusive);
    let Ok(handle) = opened else {
        return ffi::SQLITE_CANTOPEN;
    };
    let deleted_on_close = name.filter(|_| flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0);
    let open = OpenFile::new(disk, handle, deleted_on_close.map(str::to_owned));
    // SAFETY: as above; what is overwritten owns nothing. `flags_out` is null or SQLite's variable.
    unsafe {
        file.write(open);
        if let Some(flags_out) = flags_out.as_mut() {
            *flags_out = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite's path is a C string.
    let Some((disk, name)) = (unsafe { place(path) }) else {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    };
    let deleted = disk.state().delete(name, sync_folder != 0);
    match deleted {
        Ok(()) => ffi::SQLITE_OK,
        Err(Refused::Missing) => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(refused) => code(refused, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    flags: c_int,
    there: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's path is a C string.
    let length = unsafe { place(path) }.and_then(|(disk, name)| disk.state().length_of(name));
    // As under Unix: an empty file does not count as one, but may be read and written.
    let yes = length.is_some_and(|length| length > 0 || flags != ffi::SQLITE_ACCESS_EXISTS);
    // SAFETY: SQLite's variable.
    unsafe { *there = c_int::from(yes) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    bytes_max: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: SQLite's path is a C string, and `full` has room for `bytes_max` bytes.
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if usize::try_from(bytes_max).is_ok_and(|bytes_max| bytes.len() > bytes_max) {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), full, bytes.len());
    }
    ffi::SQLITE_OK
}

/// The default file system, which loads libraries for us.
///
/// # Safety
/// `vfs` is the table registered here.
unsafe fn default<'a>(vfs: *mut ffi::sqlite3_vfs) -> Option<&'a mut ffi::sqlite3_vfs> {
    // SAFETY: `pAppData` was set to the default file system, or null, when the table was made.
    unsafe { (*vfs).pAppData.cast::<ffi::sqlite3_vfs>().as_mut() }
}

unsafe extern "C" fn library_open(vfs: *mut ffi::sqlite3_vfs, path: *const c_char) -> *mut c_void {
    // SAFETY: SQLite's arguments are handed on as they are.
    unsafe {
        match default(vfs) {
            Some(default) => default
                .xDlOpen
                .map_or(std::ptr::null_mut(), |open| open(default, path)),
            None => std::ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn library_error(vfs: *mut ffi::sqlite3_vfs, bytes: c_int, message: *mut c_char) {
    // SAFETY: SQLite's arguments are handed on as they are.
    unsafe {
        if let Some(default) = default(vfs)
            && let Some(error) = default.xDlError
        {
            error(default, bytes, message);
        }
    }
}

unsafe extern "C" fn library_symbol(
    vfs: *mut ffi::sqlite3_vfs,
    library: *mut c_void,
    symbol: *const c_char,
) -> Option<unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *mut c_void, *const c_char)> {
    // SAFETY: SQLite's arguments are handed on as they are.
    unsafe {
        let default = default(vfs)?;
        default.xDlSym.and_then(|find| find(default, library, symbol))
    }
}

unsafe extern "C" fn library_close(vfs: *mut ffi::sqlite3_vfs, library: *mut c_void) {
    // SAFETY: SQLite's arguments are handed on as they are.
    unsafe {
        if let Some(default) = default(vfs)
            && let Some(close) = default.xDlClose
        {
            close(default, library);
        }
    }
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, bytes: c_int, into: *mut c_char) -> c_int {
    let count = usize::try_from(bytes).unwrap_or(0);
    // SAFETY: SQLite gives room for so many bytes. It seeds its generator from the default file system, not here.
    unsafe { std::ptr::write_bytes(into, 0, count) };
    bytes
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

#[expect(
    clippy::float_arithmetic,
    reason = "SQLite takes the time as a Julian day in a double"
)]
unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, julian_day: *mut f64) -> c_int {
    // SAFETY: SQLite's variable.
    unsafe { *julian_day = NOW_JULIAN_MS as f64 / DAY_MS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_ms(_: *mut ffi::sqlite3_vfs, julian_ms: *mut i64) -> c_int {
    // SAFETY: SQLite's variable.
    unsafe { *julian_ms = NOW_JULIAN_MS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
