/*
 * Preloaded into the broker: what its syncs make durable is copied into a folder of ours, and nothing else is. After
 * a kill that folder is what a disk would hold whose cache was lost with the power.
 *
 * It looks at syncs alone. A write, a rename or a removal that went a way unknown to it is not durable until a sync
 * that it sees, and a sync that it does not see keeps nothing: what it is blind to makes the test fail, never pass.
 *
 *   POWER_DATA     the broker's data folder, absolute; files of its subfolders are nobody's
 *   POWER_KEPT     where to keep, on the same file system:
 *                    folder      the data folder's own name was synced (it is empty)
 *                    names       "inode name" for each name that was, as of the last sync of the data folder
 *                    bytes/INO   what was synced of the file with this inode
 *                    held/INO    a link to that file, so that nothing else gets its inode
 *   POWER_IGNORED  what is lied about: syncs of files whose name begins with this report success and keep nothing;
 *                  "folder" lies about syncs of folders
 *
 * The real fsync and fdatasync are not called: the kill does not take the system's cache, so they would only be slow.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE (256 << 10)
#define LISTING (4 << 20)

/* As the kernel writes it. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static char piece[PIECE];
static char listing[LISTING];

/* A test that keeps too little, or too much, because of a mistake in here would tell nothing. */
static void must(int is_so, const char *what) {
    if (!is_so) {
        fprintf(stderr, "kept_by_syncs: cannot %s: %s\n", what, strerror(errno));
        abort();
    }
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    must(value != NULL, name);
    return value;
}

static void kept_path(char *out, const char *kind, uint64_t inode) {
    int length = snprintf(out, PATH_MAX, "%s/%s/%llu", setting("POWER_KEPT"), kind, (unsigned long long)inode);
    must(length < PATH_MAX, "make so long a path");
}

/* The file's name in the data folder; NULL when it is not there. */
static const char *name_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    must(length >= 0, "read the path of a file");
    path[length] = 0;
    size_t folder = strlen(setting("POWER_DATA"));
    int is_inside = strncmp(path, setting("POWER_DATA"), folder) == 0 && path[folder] == '/';
    const char *name = path + folder + 1;
    return is_inside && strchr(name, '/') == NULL ? name : NULL;
}

static int is_ignored(const char *name) {
    const char *ignored = getenv("POWER_IGNORED");
    return ignored != NULL && *ignored != 0 && strncmp(name, ignored, strlen(ignored)) == 0;
}

static void hold(const char *from, uint64_t inode) {
    char held[PATH_MAX];
    kept_path(held, "held", inode);
    int done = linkat(AT_FDCWD, from, AT_FDCWD, held, AT_SYMLINK_FOLLOW) == 0;
    /* Held already; or it has no name any more, and will have none. */
    must(done || errno == EEXIST || errno == ENOENT, "link a file");
}

/* All bytes of a file are durable now. */
static void keep_file(int fd, const struct stat *file) {
    char path[PATH_MAX];
    const char *name = name_of(fd, path);
    if (name == NULL || is_ignored(name)) return;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    hold(link, file->st_ino);
    kept_path(path, "bytes", file->st_ino);
    int out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(out >= 0, "open a kept file");
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, piece, PIECE, at)) > 0) {
        must(pwrite(out, piece, got, at) == got, "keep bytes");
        at += got;
    }
    must(got == 0, "read a synced file");
    must(ftruncate(out, at) == 0, "cut a kept file");
    close(out);
}

static int is_listed(long bytes, uint64_t inode) {
    for (long at = 0; at < bytes;) {
        struct entry *entry = (struct entry *)(listing + at);
        if (entry->inode == inode) return 1;
        at += entry->length;
    }
    return 0;
}

/* What has a name neither in the data folder nor among the durable ones is gone for good. */
static void forget_nameless(long bytes) {
    char path[PATH_MAX];
    snprintf(path, PATH_MAX, "%s/held", setting("POWER_KEPT"));
    DIR *folder = opendir(path);
    must(folder != NULL, "list what is held");
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct stat file;
        if (entry->d_name[0] == '.') continue;
        uint64_t inode = strtoull(entry->d_name, NULL, 10);
        kept_path(path, "held", inode);
        must(stat(path, &file) == 0, "look at what is held");
        if (file.st_nlink > 1 || is_listed(bytes, inode)) continue;
        must(unlink(path) == 0, "let a file go");
        kept_path(path, "bytes", inode);
        must(unlink(path) == 0 || errno == ENOENT, "remove a kept file");
    }
    closedir(folder);
}

/* The names in the data folder are durable as they are now. */
static void keep_names(void) {
    char path[PATH_MAX], fresh[PATH_MAX];
    int folder = open(setting("POWER_DATA"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(folder >= 0, "open the data folder");
    /* In one call, which nothing that changes the folder can come between. */
    long bytes = syscall(SYS_getdents64, folder, listing, LISTING);
    must(bytes >= 0 && bytes < LISTING / 2, "list the data folder at once");
    close(folder);
    snprintf(fresh, PATH_MAX, "%s/names.new", setting("POWER_KEPT"));
    FILE *names = fopen(fresh, "we");
    must(names != NULL, "write the names");
    for (long at = 0; at < bytes;) {
        struct entry *entry = (struct entry *)(listing + at);
        at += entry->length;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
        must(fprintf(names, "%llu %s\n", (unsigned long long)entry->inode, entry->name) > 0, "write a name");
        snprintf(path, PATH_MAX, "%s/%s", setting("POWER_DATA"), entry->name);
        struct stat file;
        /* Else it was renamed meanwhile; if it was ever synced it is held. */
        if (stat(path, &file) == 0 && file.st_ino == entry->inode) hold(path, entry->inode);
    }
    must(fclose(names) == 0, "write the names");
    snprintf(path, PATH_MAX, "%s/names", setting("POWER_KEPT"));
    must(rename(fresh, path) == 0, "keep the names");
    forget_nameless(bytes);
}

/* A folder was synced: the data folder, or the one that it is in. */
static void keep_folder(const struct stat *synced) {
    char path[PATH_MAX];
    struct stat folder;
    if (is_ignored("folder")) return;
    if (stat(setting("POWER_DATA"), &folder) != 0) return;
    if (folder.st_ino == synced->st_ino && folder.st_dev == synced->st_dev) keep_names();
    snprintf(path, PATH_MAX, "%s/..", setting("POWER_DATA"));
    must(stat(path, &folder) == 0, "look at the folder around the data");
    if (folder.st_ino != synced->st_ino || folder.st_dev != synced->st_dev) return;
    snprintf(path, PATH_MAX, "%s/folder", setting("POWER_KEPT"));
    int marker = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    must(marker >= 0, "keep the folder");
    close(marker);
}

static int keep(int fd) {
    struct stat file;
    if (fstat(fd, &file) != 0) return -1;
    pthread_mutex_lock(&one_at_a_time);
    if (S_ISREG(file.st_mode)) keep_file(fd, &file);
    if (S_ISDIR(file.st_mode)) keep_folder(&file);
    pthread_mutex_unlock(&one_at_a_time);
    return 0;
}

int fsync(int fd) {
    return keep(fd);
}

int fdatasync(int fd) {
    return keep(fd);
}
