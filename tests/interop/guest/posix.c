/*
 * What a file system does, as text: the same programme on a local file system and on an NFS mount
 * prints the same lines.
 *
 *     posix DIRECTORY [SECTION...]
 *
 * DIRECTORY must be empty, on the file system to be tested. Every line is a claim and its outcome,
 * without inode numbers, times of day, or anything else that differs between two runs. Run it as
 * root: some sections work as other users. The section "tree" only prints what is in DIRECTORY.
 * POSIX_MANY is the number of files of the section "many", 5000 without it; if it is below
 * 1000 there are fewer symbolic links, too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USER = 1000, OTHER = 1001, GROUP = 100, SHARED = 2000, MANY = 5001, MANY_GROUPS = 6000 };

/* Print a claim and the outcome of a call: its value, or the name of its error. */
static long said(const char *claim, long outcome)
{
	if (outcome < 0)
		printf("%s: %s\n", claim, strerrorname_np(errno));
	else
		printf("%s: %ld\n", claim, outcome);
	return outcome;
}

/* The same where only success counts: descriptors and sizes of other things differ. */
static long works(const char *claim, long outcome)
{
	said(claim, outcome < 0 ? outcome : 0);
	return outcome;
}

static char *text(const char *format, ...)
{
	static char kept[8][512];
	static int next;
	va_list arguments;
	char *into = kept[next++ % 8];

	va_start(arguments, format);
	vsnprintf(into, sizeof kept[0], format, arguments);
	va_end(arguments);
	return into;
}

static struct stat status_of(const char *path)
{
	struct stat found;

	if (lstat(path, &found) < 0)
		memset(&found, 0, sizeof found);
	return found;
}

static void write_file(const char *path, const char *data)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (descriptor < 0 || write(descriptor, data, strlen(data)) < 0 || close(descriptor) < 0)
		printf("cannot write %s: %s\n", path, strerrorname_np(errno));
}

static void show_file(const char *path)
{
	char data[256] = "";
	int descriptor = open(path, O_RDONLY);
	long length = descriptor < 0 ? -1 : read(descriptor, data, sizeof data - 1);

	if (length < 0)
		printf("  %s: %s\n", path, strerrorname_np(errno));
	else
		printf("  %s: %ld bytes: %.*s\n", path, length, (int)length, data);
	if (descriptor >= 0)
		close(descriptor);
}

/* Run a function as another user, with these groups, and wait for it. */
static void as_user(uid_t uid, gid_t gid, int groups, const gid_t *list, void (*function)(void))
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		if (setgroups(groups, list) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			exit(9);
		umask(022);
		function();
		fflush(stdout);
		_exit(0);
	}
	if (wait(&status) < 0 || status != 0)
		printf("as user %u: status %d\n", uid, status);
}

static void create(void)
{
	char name[300];
	int descriptor;

	works("create a file", descriptor = open("new", O_WRONLY | O_CREAT | O_EXCL, 0640));
	works("write to it", write(descriptor, "data", 4));
	works("close it", close(descriptor));
	works("create it exclusively again", open("new", O_WRONLY | O_CREAT | O_EXCL, 0640));
	works("open it with O_CREAT", close(open("new", O_RDWR | O_CREAT, 0600)));
	said("its mode stays", status_of("new").st_mode & 07777);
	works("open it with O_TRUNC", close(open("new", O_WRONLY | O_TRUNC)));
	said("it is empty", status_of("new").st_size);
	works("create it read-only and open for writing", descriptor = open("ro", O_WRONLY | O_CREAT, 0444));
	said("write to the read-only file", write(descriptor, "data", 4));
	works("close the read-only file", close(descriptor));
	show_file("ro");
	works("open a missing file", open("missing", O_RDONLY));
	works("create in a missing directory", open("missing/file", O_WRONLY | O_CREAT, 0644));
	works("create below a file", open("new/file", O_WRONLY | O_CREAT, 0644));
	works("open a directory for writing", open(".", O_WRONLY));
	memset(name, 'n', sizeof name);
	name[255] = 0;
	works("create a name of 255 bytes", close(open(name, O_WRONLY | O_CREAT, 0644)));
	name[255] = 'n', name[256] = 0;
	works("create a name of 256 bytes", open(name, O_WRONLY | O_CREAT, 0644));
	works("create a name that is not UTF-8", close(open("\xff\xfe \n\x01", O_WRONLY | O_CREAT, 0644)));
	works("create a name of dots", close(open("...", O_WRONLY | O_CREAT, 0644)));
	for (int n = 0; n < 8; n++)
		if (fork() == 0)
			_exit(open("race", O_WRONLY | O_CREAT | O_EXCL, 0644) >= 0);
	int winners = 0, status;
	while (wait(&status) > 0)
		winners += WEXITSTATUS(status);
	said("of 8 exclusive creates one wins", winners);
}

static void links(void)
{
	write_file("a", "linked");
	works("link", link("a", "b"));
	said("both names count", status_of("a").st_nlink);
	said("it is one file", status_of("a").st_ino == status_of("b").st_ino);
	works("link over a name", link("a", "b"));
	works("make a directory", mkdir("d", 0755));
	works("link a directory", link("d", "e"));
	works("link into it", link("a", "d/c"));
	said("three names", status_of("d/c").st_nlink);
	works("rename one name over another of the same file", rename("a", "b"));
	said("both are still there", status_of("a").st_nlink + status_of("b").st_nlink);
	works("unlink one", unlink("a"));
	said("two names", status_of("b").st_nlink);
	works("unlink it again", unlink("a"));
	works("unlink a directory", unlink("d"));
	works("remove a directory that is not empty", rmdir("d"));
	works("remove a file as a directory", rmdir("b"));
	works("make a directory again", mkdir("d", 0755));
	said("a directory with one below has three links", (mkdir("d/e", 0700), status_of("d").st_nlink));
	show_file("d/c");
}

static void symlinks(void)
{
	char target[4100], found[4100];
	const char *many = getenv("POSIX_MANY");
	int wrong = 0, count = 0, few = many && atoi(many) < 1000;

	for (int length = 1; length <= 4095; length += length < 300 ? few ? 7 : 1 : few ? 59 : 5) {
		memset(target, 'a' + length % 26, sizeof target);
		target[length] = 0;
		if (symlink(target, "link") < 0 || readlink("link", found, sizeof found) != length ||
		    memcmp(target, found, length) != 0 || status_of("link").st_size != length ||
		    unlink("link") < 0)
			wrong++;
		count++;
	}
	said("symbolic links of many lengths", count);
	said("of these are wrong", wrong);
	target[4095] = 'x', target[4096] = 0;
	works("a symbolic link of 4096 bytes", symlink(target, "long"));
	works("an empty symbolic link", symlink("", "empty"));
	works("a symbolic link to nothing", symlink("nowhere", "dangling"));
	works("open it", open("dangling", O_RDONLY));
	works("open it without following", open("dangling", O_RDONLY | O_NOFOLLOW));
	works("make one over a name", symlink("nowhere", "dangling"));
	works("a loop", symlink("loop", "loop"));
	works("open the loop", open("loop", O_RDONLY));
	write_file("file", "followed");
	works("a symbolic link with a path", symlink("../symlinks/file", "there"));
	show_file("there");
	works("read the text of a file", readlink("file", found, sizeof found));
	said("its type is that of a link", S_ISLNK(status_of("there").st_mode));
}

static void renames(void)
{
	int descriptor;
	char data[16] = "";

	write_file("a", "first"), write_file("b", "second");
	works("open the file to be replaced", descriptor = open("b", O_RDONLY));
	works("rename over an open file", rename("a", "b"));
	said("the open one is readable", read(descriptor, data, sizeof data));
	printf("  %s\n", data);
	works("close it", close(descriptor));
	show_file("b");
	works("rename what is gone", rename("a", "c"));
	mkdir("full", 0755), mkdir("empty", 0755), write_file("full/x", "x");
	works("a directory over one that is not empty", rename("empty", "full"));
	works("a directory over an empty one", rename("full", "empty"));
	works("a directory over a file", rename("empty", "b"));
	works("a file over a directory", rename("b", "empty"));
	works("a directory into itself", rename("empty", "empty/below"));
	mkdir("other", 0755);
	works("to another directory", rename("empty/x", "other/y"));
	show_file("other/y");
	works("a directory to another one", rename("empty", "other/moved"));
	said("the parent counts it", status_of("other").st_nlink);
	works("to the same name", rename("b", "b"));
	works("an unlinked open file", descriptor = open("b", O_RDWR));
	works("unlink it", unlink("b"));
	said("write to it", write(descriptor, "third!", 6));
	said("read from it", pread(descriptor, data, 6, 0));
	printf("  %s\n", data);
	works("close it at last", close(descriptor));
}

static void special(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);

	works("a named pipe", mkfifo("pipe", 0600));
	works("a character device", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	works("a block device", mknod("block", S_IFBLK | 0600, makedev(259, 70000)));
	works("a socket", bind(sock, (struct sockaddr *)&address, sizeof address));
	close(sock);
	for (const char *const *name = (const char *const[]){ "pipe", "null", "block", "socket", NULL }; *name; name++) {
		struct stat found = status_of(*name);
		printf("  %s: %o %u:%u\n", *name, found.st_mode & S_IFMT, major(found.st_rdev), minor(found.st_rdev));
	}
	if (fork() == 0) {
		int writer = open("pipe", O_WRONLY);
		_exit(write(writer, "through", 7) != 7);
	}
	char data[16] = "";
	int reader = open("pipe", O_RDONLY);
	said("the pipe passes data", read(reader, data, sizeof data));
	close(reader);
	wait(NULL);
}

static void times(void)
{
	struct timespec both[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct stat before, after;

	write_file("file", "old");
	works("set both times", utimensat(AT_FDCWD, "file", both, 0));
	after = status_of("file");
	printf("  %ld.%09ld %ld.%09ld\n", after.st_atim.tv_sec, after.st_atim.tv_nsec, after.st_mtim.tv_sec, after.st_mtim.tv_nsec);
	both[0].tv_nsec = UTIME_OMIT, both[1].tv_sec = 5, both[1].tv_nsec = 1;
	works("set one", utimensat(AT_FDCWD, "file", both, 0));
	after = status_of("file");
	printf("  %ld.%09ld %ld.%09ld\n", after.st_atim.tv_sec, after.st_atim.tv_nsec, after.st_mtim.tv_sec, after.st_mtim.tv_nsec);
	works("set them to now", utimensat(AT_FDCWD, "file", NULL, 0));
	said("the new time is later", status_of("file").st_mtim.tv_sec > 1700000000);
	works("a symbolic link's own", (symlink("file", "link"), utimensat(AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW)));
	said("the link has it", status_of("link").st_mtim.tv_sec);
	both[0].tv_nsec = 0, both[0].tv_sec = 0, both[1].tv_sec = 4000000000, both[1].tv_nsec = 0;
	works("a time after 2038", utimensat(AT_FDCWD, "file", both, 0));
	said("it is kept", status_of("file").st_mtim.tv_sec);
	utimensat(AT_FDCWD, ".", both, 0);
	before = status_of(".");
	write_file("another", "x");
	after = status_of(".");
	said("creating changes the directory's time", before.st_mtim.tv_sec != after.st_mtim.tv_sec);
	utimensat(AT_FDCWD, "file", both, 0);
	write_file("file", "new");
	said("writing changes the file's time", status_of("file").st_mtim.tv_sec != 4000000000);
	before = status_of("file");
	usleep(20000);
	chmod("file", 0600);
	after = status_of("file");
	said("chmod changes ctime", before.st_ctim.tv_nsec != after.st_ctim.tv_nsec);
	said("and not mtime", before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
}

static void sizes(void)
{
	const off_t far = (4LL << 30) + 4097;
	char data[8192], zeros[8192] = "";
	int descriptor = open("sparse", O_RDWR | O_CREAT, 0644);

	said("write beyond 4 GiB", pwrite(descriptor, "end", 3, far));
	works("bring it to disk", fsync(descriptor));
	said("the size", fstat(descriptor, &(struct stat){ 0 }) == 0 ? status_of("sparse").st_size : -1);
	said("a hole takes no room", status_of("sparse").st_blocks < 1000);
	said("read across the hole's end", pread(descriptor, data, sizeof data, far - 4096));
	said("zeros first", memcmp(data, zeros, 4096) == 0);
	said("data at last", memcmp(data + 4096, "end", 3));
	works("cut it", ftruncate(descriptor, 5));
	works("extend it", ftruncate(descriptor, 9));
	said("what was cut is zero", pread(descriptor, data, sizeof data, 0) == 9 && memcmp(data, zeros, 9) == 0);
	works("extend it beyond 5 GiB", ftruncate(descriptor, 5LL << 30));
	said("that size", status_of("sparse").st_size);
	said("read at the end", pread(descriptor, data, 10, 5LL << 30));
	said("read before the end", pread(descriptor, data, 10, (5LL << 30) - 3));
	works("close", close(descriptor));
	works("truncate by name", truncate("sparse", 3));
	works("truncate a directory", truncate(".", 0));
	works("to a negative size", truncate("sparse", -1));
	int one = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644), two = open("log", O_WRONLY | O_APPEND);
	for (int n = 0; n < 4; n++)
		works("append", write(n % 2 ? two : one, n % 2 ? "two " : "one ", 4));
	close(one), close(two);
	show_file("log");
}

static void maps(void)
{
	const size_t length = 3 * 4096;
	int descriptor = open("mapped", O_RDWR | O_CREAT, 0644);
	char data[16] = "";

	works("make room", ftruncate(descriptor, length));
	char *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	works("map it", map == MAP_FAILED ? -1 : 0);
	memcpy(map + 4090, "over a page", 11);
	works("bring it to disk", msync(map, length, MS_SYNC));
	said("read it", pread(descriptor, data, 11, 4090));
	printf("  %s\n", data);
	said("write to the file", pwrite(descriptor, "seen", 4, 8192));
	printf("  %.4s\n", map + 8192);
	works("unmap", munmap(map, length));
	works("close", close(descriptor));
}

/* Writes at many places, compared with a copy in memory, over several opens. */
static void patterns(void)
{
	enum { SIZE = 300000 };
	static unsigned char expected[SIZE], found[SIZE];
	uint32_t random = 1;
	off_t size = 0;

	for (int n = 0; n < 120; n++) {
		int descriptor = open("random", O_RDWR | O_CREAT | (n % 7 ? 0 : O_SYNC), 0644);
		for (int m = 0; m < 5; m++) {
			random = random * 1664525 + 1013904223;
			off_t offset = random % (SIZE - 70000);
			size_t length = 1 + (random >> 8) % 70000;
			if (random % 11 == 0) {
				if (ftruncate(descriptor, offset) < 0)
					said("truncate", -1);
				memset(expected + offset, 0, SIZE - offset);
				size = offset;
				continue;
			}
			memset(expected + offset, random >> 24, length);
			if (pwrite(descriptor, expected + offset, length, offset) != (ssize_t)length)
				said("write", -1);
			size = offset + (off_t)length > size ? offset + (off_t)length : size;
		}
		close(descriptor);
		if (n % 10 == 9) {
			descriptor = open("random", O_RDONLY);
			long got = read(descriptor, found, SIZE);
			close(descriptor);
			if (got != size || memcmp(found, expected, size) != 0)
				printf("round %d: %ld bytes of %ld, or others\n", n, got, (long)size);
		}
	}
	said("after all writes the file has", status_of("random").st_size);
}

static void try_everything(void)
{
	static const char *const names[] = { "secret", "group", "open", "locked", "passage", "shared" };

	for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
		const char *name = names[n];
		printf("  uid %d, %s:", (int)getuid(), name);
		for (int mode = R_OK; mode; mode = mode == R_OK ? W_OK : mode == W_OK ? X_OK : 0)
			printf(" %s", faccessat(AT_FDCWD, name, mode, AT_EACCESS) == 0 ? "yes" : strerrorname_np(errno));
		int reads = open(name, O_RDONLY), writes = open(name, O_WRONLY | O_APPEND);
		printf(" %s", reads < 0 ? strerrorname_np(errno) : (close(reads), "reads"));
		printf(" %s\n", writes < 0 ? strerrorname_np(errno) : (close(writes), "writes"));
	}
	works("  list the locked directory", (long)(opendir("locked") ? 0 : -1));
	works("  look through the passage", access("passage/inside", R_OK));
	works("  list the passage", (long)(opendir("passage") ? 0 : -1));
	works("  create in the shared directory", close(open(text("shared/of%d", getuid()), O_WRONLY | O_CREAT, 0600)));
	works("  remove another user's from it", unlink("shared/root"));
	works("  chmod another user's file", chmod("open", 0777));
	works("  chown it", chown("open", getuid(), -1));
	works("  touch it", utimensat(AT_FDCWD, "open", NULL, 0));
	works("  set its times", utimensat(AT_FDCWD, "open", (struct timespec[]){ { 1, 0 }, { 1, 0 } }, 0));
	works("  truncate it", truncate("group", 1));
}

static void own_files(void)
{
	works("  create one's own", close(open(text("shared/own%d", getuid()), O_WRONLY | O_CREAT, 0644)));
	works("  give it away", chown(text("shared/own%d", getuid()), OTHER, -1));
	works("  to a group of others", chown(text("shared/own%d", getuid()), -1, 4242));
	works("  to a group of one's own", chown(text("shared/own%d", getuid()), -1, SHARED));
	works("  mode with setgid", chmod(text("shared/own%d", getuid()), 02755));
	said("  its mode", status_of(text("shared/own%d", getuid())).st_mode & 07777);
	int descriptor = open(text("shared/own%d", getuid()), O_WRONLY);
	works("  write to it", write(descriptor, "x", 1));
	close(descriptor);
	said("  writing clears setgid", status_of(text("shared/own%d", getuid())).st_mode & 07777);
	works("  take away every right", chmod(text("shared/own%d", getuid()), 0));
	works("  open without a right", open(text("shared/own%d", getuid()), O_RDONLY));
	works("  link a file of root", link("open", "shared/linked"));
	works("  a device", mknod("shared/device", S_IFCHR | 0600, makedev(1, 3)));
	works("  a directory with setgid below", mkdir("inherits/below", 0755));
	printf("  %o %u\n", status_of("inherits/below").st_mode & 07777, status_of("inherits/below").st_gid);
}

static void permissions(void)
{
	static const gid_t shared[] = { SHARED };

	write_file("secret", "s"), chmod("secret", 0600);
	write_file("group", "group"), chmod("group", 0660), chown("group", 0, SHARED);
	write_file("open", "open"), chmod("open", 0644);
	mkdir("locked", 0700), mkdir("passage", 0711), write_file("passage/inside", "x");
	mkdir("shared", 0777), chmod("shared", 01777), write_file("shared/root", "x");
	mkdir("inherits", 0777), chown("inherits", 0, 4242), chmod("inherits", 02777);
	as_user(USER, GROUP, 1, shared, try_everything);
	as_user(OTHER, GROUP, 0, shared, try_everything);
	as_user(USER, GROUP, 1, shared, own_files);
	chown("open", USER, GROUP), chmod("open", 06755);
	said("chown clears setuid", (chown("open", OTHER, GROUP), status_of("open").st_mode & 07777));
}

static void in_last_group(void)
{
	works("  write by the 40th group", close(open("last", O_WRONLY)));
	works("  enter by the 40th group", access("folder/file", R_OK));
	works("  not by another group", open("strange", O_RDONLY));
}

/* Needs a server that knows the groups of the user: a credential has room for 16. */
static void groups(void)
{
	gid_t list[40];

	for (int n = 0; n < 40; n++)
		list[n] = MANY_GROUPS + n;
	write_file("last", "x"), chmod("last", 0060), chown("last", 0, list[39]);
	write_file("strange", "x"), chmod("strange", 0060), chown("strange", 0, 4242);
	mkdir("folder", 0750), write_file("folder/file", "x"), chown("folder", 0, list[39]);
	as_user(MANY, GROUP, 40, list, in_last_group);
}

static int removed(const char *path, const struct stat *found, int type, struct FTW *where)
{
	(void)found, (void)type, (void)where;
	return remove(path);
}

/* Names "stable" are there all the time: each listing must have each of them once. */
static int listing_is_right(int stable)
{
	static unsigned char seen[100000];
	DIR *directory = opendir("many");
	int wrong = 0;

	memset(seen, 0, sizeof seen);
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		if (strncmp(entry->d_name, "stable", 6) == 0)
			seen[atoi(entry->d_name + 6)]++;
	closedir(directory);
	for (int n = 0; n < stable; n++)
		wrong += seen[n] != 1;
	return wrong;
}

static void many(void)
{
	const char *count = getenv("POSIX_MANY");
	const int STABLE = count ? atoi(count) : 5000, PASSING = STABLE < 400 ? STABLE : 400;
	int wrong = 0, status, rounds = 0;

	mkdir("many", 0755);
	for (int n = 0; n < STABLE; n++)
		wrong += close(open(text("many/stable%d", n), O_WRONLY | O_CREAT, 0644)) < 0;
	said("files that could not be made", wrong);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		for (int n = 0; n < PASSING; n++) {
			close(open(text("many/passing%d", n), O_WRONLY | O_CREAT, 0644));
			if (n >= 20)
				unlink(text("many/passing%d", n - 20));
		}
		_exit(0);
	}
	wrong = 0;
	while (waitpid(child, &status, WNOHANG) == 0 && rounds < 50) {
		wrong += listing_is_right(STABLE);
		rounds++;
	}
	if (rounds >= 50)
		waitpid(child, &status, 0);
	said("names missing or twice while others come and go", wrong);
	said("and when nothing changes", listing_is_right(STABLE));
	works("remove everything", nftw("many", removed, 30, FTW_DEPTH | FTW_PHYS));
	works("it is gone", access("many", F_OK));
}

static void deep(void)
{
	int descriptor;

	for (int n = 0; n < 40; n++)
		if (mkdir("down", 0755) < 0 || chdir("down") < 0)
			said("go down", -1);
	write_file("bottom", "here");
	show_file("bottom");
	works("open the way up", descriptor = open("..", O_RDONLY | O_DIRECTORY));
	close(descriptor);
	for (int n = 0; n < 40; n++)
		if (chdir("..") < 0)
			said("go up", -1);
	works("remove the tree", nftw("down", removed, 30, FTW_DEPTH | FTW_PHYS));
	struct statvfs space;
	works("ask for space", statvfs(".", &space));
	said("names have at most", space.f_namemax);
	said("there is some", space.f_bfree > 0 && space.f_blocks >= space.f_bfree);
}

static int by_name(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

static uint32_t sum_of(const char *path)
{
	unsigned char data[65536];
	uint32_t sum = 2166136261u;
	int descriptor = open(path, O_RDONLY);

	for (long length; (length = read(descriptor, data, sizeof data)) > 0;)
		for (long n = 0; n < length; n++)
			sum = (sum ^ data[n]) * 16777619u;
	close(descriptor);
	return sum;
}

/* Print a name; bytes that are not printable ASCII become question marks. */
static void show_name(const char *name)
{
	for (; *name; name++)
		putchar(*name > 31 && *name < 127 ? *name : '?');
}

/* Everything below a directory: types, modes, owners, sizes, contents. */
static void show_tree(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, by_name);

	for (int n = 0; n < count; n++) {
		char path[4096], target[4096] = "";
		const char *name = entries[n]->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, name);
		struct stat found = status_of(path);
		show_name(path);
		printf(" %o links %d of %u:%u", found.st_mode, (int)found.st_nlink, found.st_uid, found.st_gid);
		if (S_ISLNK(found.st_mode) && readlink(path, target, sizeof target - 1) > 0)
			printf(" to %.20s", target);
		if (S_ISREG(found.st_mode))
			printf(" size %ld sum %08x", (long)found.st_size, sum_of(path));
		printf("\n");
		if (S_ISDIR(found.st_mode))
			show_tree(path);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} SECTIONS[] = {
	{ "create", create }, { "links", links }, { "symlinks", symlinks }, { "renames", renames },
	{ "special", special }, { "times", times }, { "sizes", sizes }, { "maps", maps },
	{ "patterns", patterns }, { "permissions", permissions }, { "groups", groups },
	{ "many", many }, { "deep", deep },
};

int main(int count, char **arguments)
{
	if (count < 2 || chdir(arguments[1]) < 0) {
		fprintf(stderr, "usage: posix DIRECTORY [SECTION...]\n");
		return 2;
	}
	umask(022);
	for (size_t n = 0; n < sizeof SECTIONS / sizeof *SECTIONS; n++) {
		int wanted = count == 2;
		for (int m = 2; m < count; m++)
			wanted |= strcmp(arguments[m], SECTIONS[n].name) == 0;
		if (!wanted)
			continue;
		printf("== %s\n", SECTIONS[n].name);
		if (mkdir(SECTIONS[n].name, 0755) < 0 || chdir(SECTIONS[n].name) < 0) {
			perror(SECTIONS[n].name);
			return 1;
		}
		SECTIONS[n].run();
		fflush(stdout);
		if (chdir("..") < 0)
			return 1;
	}
	printf("== tree\n");
	show_tree(".");
	printf("== end\n");
	return 0;
}
