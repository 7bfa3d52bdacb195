/*
 * Mixed load on files, for a time; what is read must be what was written.
 *
 *     load FOLDER NUMBER OTHER SECONDS
 *
 * A round makes a file in FOLDER/NUMBER: it writes, changes, cuts and appends, calls fsync, reads
 * the file back from the server, and renames it to one of NAMES names, whose old file is then gone.
 * It removes a file, lists the folder, and adds 1 to a number in FOLDER/counter under a lock. It
 * then reads a file in FOLDER/OTHER, which another guest makes in the same way. Each file says at
 * its start from which round it comes; the bytes follow from that.
 *
 * Prints "part N" after each tenth of the time, and at the end "done ROUNDS MEBIBYTES OTHERS", the
 * last being the files of the other guest. Anything unexpected ends it with status 1 and a line
 * that begins with "wrong".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES 16
#define PARTS 10
#define LARGEST (1 << 20)
#define WRONG(...) (printf("wrong: " __VA_ARGS__), printf(" (%s)\n", strerrorname_np(errno)), exit(1))

struct start { uint32_t mark, maker, round, size; };

static const uint32_t MARK = 0x6c6f6164;
static const size_t SIZES[] = {
	sizeof(struct start), 100, 4096, 5000, 32768, 65537, 131072, 262145, LARGEST,
};
static const size_t PIECES[] = { LARGEST, 65536, 4097, 1000 };

static unsigned char expected[LARGEST], seen[LARGEST + 1];
static int has[NAMES]; /* the names in our own folder */
static uint64_t bytes;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The whole file of a round. */
static void fill(struct start start)
{
	uint64_t state = (uint64_t)start.maker << 32 | (start.round + 1), word;

	for (size_t at = 0; at < start.size; at += sizeof word) {
		size_t left = start.size - at;

		word = next(&state);
		memcpy(expected + at, &word, left < sizeof word ? left : sizeof word);
	}
	memcpy(expected, &start, sizeof start);
}

static void write_range(int file, const char *name, size_t from, size_t end, size_t piece)
{
	for (size_t at = from; at < end; at += piece) {
		size_t length = end - at < piece ? end - at : piece;

		if (pwrite(file, expected + at, length, at) != (ssize_t)length)
			WRONG("write %s at %zu", name, at);
		bytes += length;
	}
}

/* The length of a file, read without what this kernel keeps of it; -1 if it is gone. */
static ssize_t read_file(const char *name)
{
	int file = open(name, O_RDONLY);
	ssize_t length = 0, got = 1;

	if (file < 0)
		return -1;
	posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
	while (got > 0 && length <= LARGEST) {
		got = pread(file, seen + length, sizeof seen - length, length);
		length += got > 0 ? got : 0;
	}
	close(file);
	bytes += length;
	return got < 0 ? -1 : length;
}

static void check(const char *name, ssize_t length, struct start start)
{
	if (length != (ssize_t)start.size)
		WRONG("size of %s, round %u: %zd, not %u", name, start.round, length, start.size);
	for (size_t at = 0; at < start.size; at++)
		if (seen[at] != expected[at])
			WRONG("byte %zu of %s, round %u: %u, not %u", at, name, start.round, seen[at],
			      expected[at]);
}

/* Write the file with a wrong end and a hole, synced in between, and repair both. */
static void make(const char *name, struct start start, size_t piece)
{
	size_t half = start.size / 2, hole = start.size / 4;
	int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);

	if (file < 0)
		WRONG("create %s", name);
	write_range(file, name, 0, hole, piece);
	write_range(file, name, half, start.size, piece);
	if (pwrite(file, "too long", 8, start.size) != 8 || fsync(file) < 0)
		WRONG("append to %s", name);
	if (ftruncate(file, start.size) < 0)
		WRONG("cut %s", name);
	write_range(file, name, hole, half, piece);
	if (fsync(file) < 0 || close(file) < 0)
		WRONG("fsync %s", name);
}

static void publish(const char *folder, struct start start, size_t piece)
{
	char fresh[256], name[256];
	struct stat found;

	snprintf(fresh, sizeof fresh, "%s/fresh", folder);
	snprintf(name, sizeof name, "%s/f%u", folder, start.round % NAMES);
	fill(start);
	make(fresh, start, piece);
	check(fresh, read_file(fresh), start);
	if (rename(fresh, name) < 0)
		WRONG("rename to %s", name);
	has[start.round % NAMES] = 1;
	if (stat(fresh, &found) == 0 || errno != ENOENT)
		WRONG("%s is still there", fresh);
	if (stat(name, &found) < 0 || found.st_size != start.size)
		WRONG("%s is not there", name);
}

static void remove_one(const char *folder, unsigned which)
{
	char name[256];

	snprintf(name, sizeof name, "%s/f%u", folder, which);
	if (unlink(name) < 0 && (has[which] || errno != ENOENT))
		WRONG("remove %s", name);
	has[which] = 0;
}

static void list(const char *folder)
{
	int left = 0;
	unsigned which;
	struct dirent *entry;
	DIR *listed = opendir(folder);

	for (which = 0; which < NAMES; which++)
		left += has[which];
	while (listed != NULL && (entry = readdir(listed)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (sscanf(entry->d_name, "f%u", &which) != 1 || which >= NAMES || !has[which])
			WRONG("%s is listed", entry->d_name);
		left--;
	}
	if (listed == NULL || left != 0)
		WRONG("list %s: %d are missing", folder, left);
	closedir(listed);
}

static void count_up(const char *counter)
{
	struct flock lock = { .l_whence = SEEK_SET, .l_type = F_WRLCK };
	char text[16] = "";
	int file = open(counter, O_RDWR | O_CREAT, 0666);

	if (file < 0 || fcntl(file, F_SETLKW, &lock) < 0)
		WRONG("lock %s", counter);
	if (pread(file, text, sizeof text - 1, 0) < 0)
		WRONG("read %s", counter);
	snprintf(text, sizeof text, "%d", atoi(text) + 1);
	if (pwrite(file, text, strlen(text), 0) < 0 || close(file) < 0)
		WRONG("write %s", counter);
}

/* Whether a file of the other guest could be read; it may be removed at any time. */
static int read_other(const char *folder, unsigned which)
{
	char name[256];
	struct start start;
	ssize_t length;

	snprintf(name, sizeof name, "%s/f%u", folder, which);
	length = read_file(name);
	if (length < 0) {
		if (errno != ENOENT && errno != ESTALE)
			WRONG("read %s", name);
		return 0;
	}
	memcpy(&start, seen, sizeof start);
	if (length < (ssize_t)sizeof start || start.mark != MARK || start.size > LARGEST)
		WRONG("start of %s", name);
	fill(start);
	check(name, length, start);
	return 1;
}

int main(int count, char *arguments[])
{
	char own[128], other[128], counter[128];
	unsigned others = 0, round = 0, part = 0;
	uint64_t state;
	double begun = now(), time;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count != 5)
		return 2;
	snprintf(own, sizeof own, "%s/%s", arguments[1], arguments[2]);
	snprintf(other, sizeof other, "%s/%s", arguments[1], arguments[3]);
	snprintf(counter, sizeof counter, "%s/counter", arguments[1]);
	state = 7919 * atoi(arguments[2]) + 1;
	time = atof(arguments[4]);
	if (mkdir(own, 0755) < 0)
		WRONG("mkdir %s", own);
	for (; part < PARTS; round++) {
		size_t size = SIZES[next(&state) % (sizeof SIZES / sizeof *SIZES)];
		size_t piece = PIECES[next(&state) % (sizeof PIECES / sizeof *PIECES)];

		publish(own, (struct start){ MARK, atoi(arguments[2]), round, size }, piece);
		if (round % 3 == 0)
			remove_one(own, next(&state) % NAMES);
		list(own);
		count_up(counter);
		others += read_other(other, next(&state) % NAMES);
		while (part < PARTS && now() - begun > time * (part + 1) / PARTS)
			printf("part %u\n", ++part);
	}
	printf("done %u %llu %u\n", round, (unsigned long long)(bytes >> 20), others);
	return 0;
}
