//! The part of an open file that is memory shared with the database's other connections.
#![expect(
    unsafe_code,
    reason = "SQLite's open files are structures of C with tables of functions"
)]

use std::ffi::{c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{Ordering, fence};

use rusqlite::ffi;

use super::super::shared_memory::{LOCKS, SharedMemory};
use super::super::state::Refused;
use super::open_file::{Inside, inside};

impl Inside {
    fn memory(&mut self) -> Result<&SharedMemory, Refused> {
        if self.memory.is_none() {
            self.memory = Some(self.disk.state().shared_memory(self.handle)?);
        }
        self.memory.as_deref().ok_or(Refused::Dead)
    }

    pub(super) fn drop_memory(&mut self) {
        let Some(memory) = self.memory.take() else {
            return;
        };
        for lock in 0..LOCKS {
            if self.exclusive & (1 << lock) != 0 {
                memory.unlock(lock, 1, true);
            }
            if self.shared & (1 << lock) != 0 {
                memory.unlock(lock, 1, false);
            }
        }
        (self.shared, self.exclusive) = (0, 0);
        drop(memory);
        self.disk.state().drop_shared_memory(self.handle);
    }
}

pub(super) unsafe extern "C" fn map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    start: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open; it holds the shared memory for as long as SQLite may use the pointer.
    let inside = unsafe { inside(file) };
    let (Ok(region), Ok(bytes)) = (usize::try_from(region), usize::try_from(bytes)) else {
        return ffi::SQLITE_IOERR_SHMMAP;
    };
    let found = match inside.memory() {
        Ok(memory) => memory.region(region, bytes, extend != 0),
        Err(_) => return ffi::SQLITE_IOERR_SHMOPEN,
    };
    let Ok(found) = found else {
        return ffi::SQLITE_IOERR_SHMSIZE;
    };
    // SAFETY: SQLite's variable.
    unsafe { *start = found.map_or(null_mut(), NonNull::as_ptr) };
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: the file is open.
    let inside = unsafe { inside(file) };
    let (Ok(first), Ok(count)) = (usize::try_from(first), usize::try_from(count)) else {
        return ffi::SQLITE_IOERR_SHMLOCK;
    };
    if first + count > LOCKS {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    let taken = flags & ffi::SQLITE_SHM_LOCK != 0;
    let bits = ((1_u16 << count) - 1) as u8;
    let bits = bits << first;
    if taken && inside.disk.state().check(inside.handle).is_err() {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    let held = if exclusive {
        inside.exclusive
    } else {
        inside.shared
    };
    let asked = if taken { !held & bits } else { held & bits };
    let Some(memory) = &inside.memory else {
        return ffi::SQLITE_IOERR_SHMLOCK;
    };
    if asked == bits && taken && !memory.lock(first, count, exclusive) {
        return ffi::SQLITE_BUSY;
    }
    if asked == bits && !taken {
        memory.unlock(first, count, exclusive);
    }
    let mask = if exclusive {
        &mut inside.exclusive
    } else {
        &mut inside.shared
    };
    *mask = if taken { *mask | bits } else { *mask & !bits };
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

pub(super) unsafe extern "C" fn unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: the file is open, and SQLite uses no pointer into the shared memory after this.
    unsafe { inside(file) }.drop_memory();
    ffi::SQLITE_OK
}
