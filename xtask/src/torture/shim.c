/* Stands between the server and its data folder. Loaded by LD_PRELOAD; see disk.rs for the reader of its log.
 *
 * Every change to a file below SHIM_ROOT is appended to SHIM_LOG, and so is every fsync once it has succeeded: what a
 * power cut may take away is then known. SHIM_CONTROL is a small file in shared memory through which the harness makes
 * writes and fsyncs fail, makes fsync lie, and moves the wall clock. The `-shm` file is left out: it does not outlive
 * the processes that share it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE = 1, TRUNCATE, SYNC, SYNC_FAILED, CREATE, LINK, UNLINK, RENAME };
enum sync_mode { HONEST, FAILING, LYING, FAILING_FOLDERS };

struct head {
    uint32_t kind, path; /* `path` bytes of text follow, then `size` bytes of data (WRITE) or of a second path */
    uint64_t time;       /* CLOCK_MONOTONIC in nanoseconds, taken before the change */
    uint64_t inode, at, size;
};

struct control {
    volatile uint32_t write_errno; /* 0: writes succeed */
    volatile uint32_t sync_mode;
    volatile int64_t clock_seconds; /* added to CLOCK_REALTIME */
    volatile uint32_t halted;       /* no change begins any more */
    volatile uint32_t busy;         /* so many are under way, in the server and in commands beside it */
};

#define FILES 65536
static uint64_t inode_of[FILES]; /* 0: not below the root */
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static struct control *control;
/* Held over a change and its record, so that the log has the order of the changes. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

/* A process that is killed between a change and its record would leave a log that is not what happened. */
static void begin(void) {
    pthread_mutex_lock(&order);
    if (!control) return;
    for (;;) {
        __sync_fetch_and_add(&control->busy, 1);
        if (!control->halted) return;
        __sync_fetch_and_sub(&control->busy, 1);
        usleep(1000);
    }
}

static void finish(void) {
    if (control) __sync_fetch_and_sub(&control->busy, 1);
    pthread_mutex_unlock(&order);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("SHIM_ROOT"), *log = getenv("SHIM_LOG"), *page = getenv("SHIM_CONTROL");
    if (page) {
        int fd = REAL(open)(page, O_RDWR | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) abort();
        control = map;
    }
    if (where && log) {
        strncpy(root, where, sizeof root - 1);
        log_fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (log_fd < 0) abort();
        root_length = strlen(root);
    }
}

/* The end of the process kills its other threads where they are: also between a change and its record. No thread changes
 * anything any more, and the one that does is waited for. */
__attribute__((destructor)) static void end(void) { pthread_mutex_lock(&order); }

static int watched(const char *path) {
    size_t length = strlen(path);
    if (!root_length || strncmp(path, root, root_length)) return 0;
    if (path[root_length] != '/' && path[root_length] != 0) return 0;
    return length < 4 || strcmp(path + length - 4, "-shm");
}

static uint64_t inode_at(int fd) { return fd >= 0 && fd < FILES ? inode_of[fd] : 0; }

static uint64_t now(void) {
    struct timespec t;
    REAL(clock_gettime)(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void record(struct head head, const char *path, const void *data) {
    head.path = path ? strlen(path) : 0;
    head.time = now();
    size_t size = head.kind == WRITE || head.kind == LINK || head.kind == RENAME ? head.size : 0;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, size}};
    if (REAL(writev)(log_fd, parts, 3) != (ssize_t)(sizeof head + head.path + size)) abort();
}

static int refused(void) {
    if (!control || !control->write_errno) return 0;
    errno = (int)control->write_errno;
    return 1;
}

static int open_watched(const char *path, int flags, mode_t mode) {
    if (!watched(path)) return REAL(open)(path, flags, mode);
    struct stat found;
    begin();
    int new = (flags & O_CREAT) && stat(path, &found);
    int fd = new && refused() ? -1 : REAL(open)(path, flags, mode);
    if (fd >= 0 && fd < FILES && !fstat(fd, &found)) {
        inode_of[fd] = found.st_ino;
        if (new) record((struct head){.kind = CREATE, .inode = found.st_ino}, path, NULL);
        else if ((flags & O_TRUNC) && S_ISREG(found.st_mode))
            record((struct head){.kind = TRUNCATE, .inode = found.st_ino}, NULL, NULL);
    }
    finish();
    return fd;
}

#define OPEN(name)                                  \
    int name(const char *path, int flags, ...) {    \
        mode_t mode = 0;                            \
        if (flags & (O_CREAT | O_TMPFILE)) {        \
            va_list list;                           \
            va_start(list, flags);                  \
            mode = va_arg(list, mode_t);            \
            va_end(list);                           \
        }                                           \
        return open_watched(path, flags, mode);     \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (fd >= 0 && fd < FILES) inode_of[fd] = 0;
    return REAL(close)(fd);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t at) {
    if (refused()) return -1;
    begin();
    record((struct head){.kind = WRITE, .inode = inode_at(fd), .at = (uint64_t)at, .size = size}, NULL, data);
    ssize_t done = REAL(pwrite)(fd, data, size, at);
    finish();
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return inode_at(fd) ? write_at(fd, data, size, at) : REAL(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return pwrite(fd, data, size, at); }

ssize_t write(int fd, const void *data, size_t size) {
    if (!inode_at(fd)) return REAL(write)(fd, data, size);
    int append = REAL(fcntl)(fd, F_GETFL) & O_APPEND;
    off_t at = lseek(fd, 0, append ? SEEK_END : SEEK_CUR);
    ssize_t done = write_at(fd, data, size, at);
    if (done > 0) lseek(fd, at + done, SEEK_SET);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!inode_at(fd)) return REAL(writev)(fd, parts, count);
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}

int ftruncate(int fd, off_t size) {
    if (!inode_at(fd)) return REAL(ftruncate)(fd, size);
    if (refused()) return -1;
    begin();
    record((struct head){.kind = TRUNCATE, .inode = inode_at(fd), .size = (uint64_t)size}, NULL, NULL);
    int done = REAL(ftruncate)(fd, size);
    finish();
    return done;
}

int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

/* The record says how much of the log the fsync covers: what came before it began. */
static int sync_watched(int fd) {
    uint32_t mode = control ? control->sync_mode : HONEST;
    if (mode == LYING) return 0;
    struct stat found;
    int fails = mode == FAILING || (mode == FAILING_FOLDERS && !fstat(fd, &found) && S_ISDIR(found.st_mode));
    uint64_t covered = (uint64_t)lseek(log_fd, 0, SEEK_END);
    int done = fails ? -1 : REAL(fsync)(fd);
    begin();
    record((struct head){.kind = done ? SYNC_FAILED : SYNC, .inode = inode_at(fd), .at = covered}, NULL, NULL);
    finish();
    if (fails) errno = EIO;
    return done;
}

int fsync(int fd) { return inode_at(fd) ? sync_watched(fd) : REAL(fsync)(fd); }

int fdatasync(int fd) { return inode_at(fd) ? sync_watched(fd) : REAL(fdatasync)(fd); }

static int named(enum kind kind, const char *path, const char *to, int (*change)(const char *, const char *)) {
    if (refused()) return -1;
    begin();
    int done = change(path, to);
    int error = errno;
    if (!done) record((struct head){.kind = kind, .size = to ? strlen(to) : 0}, path, to);
    finish();
    errno = error;
    return done;
}

static int really_unlink(const char *path, const char *none) {
    (void)none;
    return REAL(unlink)(path);
}

static int really_rename(const char *path, const char *to) { return REAL(rename)(path, to); }

static int really_link(const char *path, const char *to) {
    return REAL(linkat)(AT_FDCWD, path, AT_FDCWD, to, 0);
}

int unlink(const char *path) {
    return watched(path) ? named(UNLINK, path, NULL, really_unlink) : REAL(unlink)(path);
}

int rename(const char *path, const char *to) {
    return watched(to) ? named(RENAME, path, to, really_rename) : REAL(rename)(path, to);
}

int linkat(int from, const char *path, int into, const char *to, int flags) {
    if (!watched(to)) return REAL(linkat)(from, path, into, to, flags);
    return named(LINK, path, to, really_link);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = REAL(clock_gettime);
    int done = real(clock, time);
    if (!done && clock == CLOCK_REALTIME && control) time->tv_sec += control->clock_seconds;
    return done;
}
