//! An open file, as SQLite holds it, and its methods.
#![expect(
    unsafe_code,
    reason = "SQLite's open files are structures of C with tables of functions"
)]

use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use rusqlite::ffi;

use super::super::file::SECTOR_BYTES;
use super::super::lock::Level;
use super::super::registry::Shared;
use super::super::shared_memory::SharedMemory;
use super::super::state::{Handle, Refused};
use super::{code, memory};

/// What SQLite allocates for a file: its own part first, then what we know of it.
#[repr(C)]
pub(super) struct OpenFile {
    sqlite: ffi::sqlite3_file,
    inside: *mut Inside,
}

/// What we know of an open file.
pub(super) struct Inside {
    pub(super) disk: Arc<Shared>,
    pub(super) handle: Handle,
    pub(super) memory: Option<Arc<SharedMemory>>,
    /// Locks of the shared memory that this file shares, a bit each.
    pub(super) shared: u8,
    /// Those it holds alone.
    pub(super) exclusive: u8,
    deleted_on_close: Option<String>,
}

impl OpenFile {
    /// No file.
    pub(super) const fn closed() -> OpenFile {
        OpenFile {
            sqlite: ffi::sqlite3_file { pMethods: null() },
            inside: null_mut(),
        }
    }

    /// An open file. SQLite closes it with `xClose`.
    pub(super) fn new(disk: Arc<Shared>, handle: Handle, deleted_on_close: Option<String>) -> OpenFile {
        let inside = Inside {
            disk,
            handle,
            memory: None,
            shared: 0,
            exclusive: 0,
            deleted_on_close,
        };
        OpenFile {
            sqlite: ffi::sqlite3_file { pMethods: &METHODS },
            inside: Box::into_raw(Box::new(inside)),
        }
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(memory::map),
    xShmLock: Some(memory::lock),
    xShmBarrier: Some(memory::barrier),
    xShmUnmap: Some(memory::unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `file` was opened by [`super::open`] and not closed since. SQLite calls the methods of a file one at a time.
pub(super) unsafe fn inside<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Inside {
    // SAFETY: the caller vouches for it; then `inside` points to what `new` allocated.
    unsafe { &mut *(*file.cast::<OpenFile>()).inside }
}

fn answer(done: Result<(), Refused>, otherwise: c_int) -> c_int {
    done.map_or_else(|refused| code(refused, otherwise), |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once; it is never used afterwards.
    let mut inside = unsafe {
        let file = file.cast::<OpenFile>();
        let inside = Box::from_raw((*file).inside);
        file.write(OpenFile::closed());
        inside
    };
    inside.drop_memory();
    let mut state = inside.disk.state();
    state.close(inside.handle);
    if let Some(name) = &inside.deleted_on_close
        && state.check(inside.handle).is_ok()
    {
        // Nothing is lost where it stays.
        let _ = state.delete(name, false);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(count), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: the file is open, and SQLite gives room for so many bytes, which nobody else uses meanwhile. They may
    // never have been written: all are, before they are read.
    let (inside, into) = unsafe {
        into.cast::<u8>().write_bytes(0, count);
        (
            inside(file),
            std::slice::from_raw_parts_mut(into.cast::<u8>(), count),
        )
    };
    match inside.disk.state().read(inside.handle) {
        Ok(content) if content.read(offset, into) == count => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(refused) => code(refused, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    let (Ok(count), Ok(offset)) = (usize::try_from(count), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: the file is open, and SQLite gives so many bytes.
    let (inside, bytes) = unsafe { (inside(file), std::slice::from_raw_parts(from.cast::<u8>(), count)) };
    let written = inside.disk.state().write(inside.handle, offset, bytes);
    answer(written, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let Ok(length) = u64::try_from(length) else {
        return ffi::SQLITE_IOERR_TRUNCATE;
    };
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let cut = inside.disk.state().set_length(inside.handle, length);
    answer(cut, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let synced = inside.disk.state().sync(inside.handle);
    answer(synced, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, length: *mut i64) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let found = inside
        .disk
        .state()
        .content(inside.handle)
        .map(|content| content.length());
    match found {
        Ok(found) => {
            // SAFETY: SQLite's variable.
            unsafe { *length = i64::try_from(found).unwrap_or(i64::MAX) };
            ffi::SQLITE_OK
        }
        Err(refused) => code(refused, ffi::SQLITE_IOERR_FSTAT),
    }
}

fn level(lock: c_int) -> Level {
    match lock {
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        ffi::SQLITE_LOCK_EXCLUSIVE => Level::Exclusive,
        _ => Level::None,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let locked = inside.disk.state().lock(inside.handle, level(wanted));
    answer(locked, ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    inside.disk.state().unlock(inside.handle, level(wanted));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, reserved: *mut c_int) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let found = inside.disk.state().is_reserved(inside.handle);
    // SAFETY: SQLite's variable.
    unsafe { *reserved = c_int::from(found == Ok(true)) };
    answer(found.map(|_| ()), ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES as c_int
}

/// Nothing but what a Linux file system claims, so that SQLite does here what it does there.
unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
