/* Ends the process in the middle of its n-th change to a file.
 *
 * A write is done by half before that; any other change is not done at all. `kill_at(n)` arms it and
 * says how many changes were left before, of those for which it was armed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int renameat(int, const char *, int, const char *);
int rename(const char *, const char *);

static long left;

long kill_at(long change) {
    long before = left;
    left = change;
    return before;
}

static int now(void) { return left > 0 && --left == 0; }

static void end(void) {
    kill(getpid(), SIGKILL);
    pause();
}

#define WRITE(name, ...)                                                                           \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
        real = NEXT(name);                                                                         \
    if (file > 2 && now()) {                                                                       \
        size_t whole = size;                                                                       \
        size = whole / 2;                                                                          \
        (void)!real(__VA_ARGS__);                                                                  \
        end();                                                                                     \
    }                                                                                              \
    return real(__VA_ARGS__)

#define CHANGE(name, ...)                                                                          \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
        real = NEXT(name);                                                                         \
    if (now())                                                                                     \
        end();                                                                                     \
    return real(__VA_ARGS__)

ssize_t write(int file, const void *data, size_t size) { WRITE(write, file, data, size); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    WRITE(pwrite, file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    WRITE(pwrite64, file, data, size, at);
}
int fsync(int file) { CHANGE(fsync, file); }
int fdatasync(int file) { CHANGE(fdatasync, file); }
int ftruncate(int file, off_t size) { CHANGE(ftruncate, file, size); }
int ftruncate64(int file, off64_t size) { CHANGE(ftruncate64, file, size); }
int rename(const char *from, const char *to) { CHANGE(rename, from, to); }
int renameat(int a, const char *from, int b, const char *to) { CHANGE(renameat, a, from, b, to); }
int unlink(const char *path) { CHANGE(unlink, path); }
int link(const char *from, const char *to) { CHANGE(link, from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    CHANGE(linkat, a, from, b, to, flags);
}
