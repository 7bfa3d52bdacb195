/*
 * Locks of one process on one file, step by step, as text.
 *
 *     locks FILE STEP...
 *
 * Steps, with a lock's TYPE "r" or "w", and LENGTH 0 for "to the end of the file, however long":
 *
 *     set:TYPE:START:LENGTH    F_SETLK
 *     wait:TYPE:START:LENGTH   F_SETLKW
 *     get:TYPE:START:LENGTH    F_GETLK: who is in the way
 *     free:START:LENGTH        F_UNLCK
 *     flock:TYPE               flock, without waiting; "flock:u" unlocks
 *     alarm:MILLISECONDS       a signal then interrupts what is waiting
 *     hold                     wait for SIGTERM
 *     count:TIMES              add 1 to the number in the file, under a lock of its own each time
 *
 * Prints "pid N", and a line for each step: its name, its outcome, and the time that it took.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const struct { const char *name; int command; } COMMANDS[] = {
	{ "set", F_SETLK }, { "wait", F_SETLKW }, { "get", F_GETLK },
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return 1e3 * time.tv_sec + time.tv_nsec / 1e6;
}

static void interrupt(int number)
{
	(void)number;
}

static struct flock lock_of(const char *type, const char *start, const char *length)
{
	struct flock lock = { .l_whence = SEEK_SET };

	lock.l_type = *type == 'u' ? F_UNLCK : *type == 'r' ? F_RDLCK : F_WRLCK;
	lock.l_start = strtoll(start, NULL, 0);
	lock.l_len = strtoll(length, NULL, 0);
	return lock;
}

/* The words of F_GETLK. */
static const char *holder(const struct flock *lock)
{
	static char said[128];

	if (lock->l_type == F_UNLCK)
		return "nobody";
	snprintf(said, sizeof said, "%c %lld %lld pid %d", lock->l_type == F_RDLCK ? 'r' : 'w',
		 (long long)lock->l_start, (long long)lock->l_len, (int)lock->l_pid);
	return said;
}

static const char *outcome(int result)
{
	return result < 0 ? strerrorname_np(errno) : "ok";
}

static void set_alarm(const char *milliseconds)
{
	struct itimerval timer = { .it_value.tv_usec = 1000 * atoi(milliseconds) };

	timer.it_value.tv_sec = timer.it_value.tv_usec / 1000000;
	timer.it_value.tv_usec %= 1000000;
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void hold(void)
{
	sigset_t none;

	puts("hold");
	sigemptyset(&none);
	sigsuspend(&none);
}

static const char *count_up(int file, int times)
{
	struct flock lock = lock_of("w", "0", "0"), no_lock = lock_of("u", "0", "0");
	char text[16];

	for (int n = 0; n < times; n++) {
		memset(text, 0, sizeof text);
		if (fcntl(file, F_SETLKW, &lock) < 0 || pread(file, text, sizeof text - 1, 0) < 0)
			return strerrorname_np(errno);
		snprintf(text, sizeof text, "%d", atoi(text) + 1);
		if (pwrite(file, text, strlen(text), 0) < 0 || fcntl(file, F_SETLK, &no_lock) < 0)
			return strerrorname_np(errno);
	}
	return "ok";
}

static const char *posix_lock(int file, const char *name, char *const words[3])
{
	struct flock lock = lock_of(words[0], words[1], words[2]);

	for (size_t n = 0; n < sizeof COMMANDS / sizeof *COMMANDS; n++)
		if (strcmp(name, COMMANDS[n].name) == 0) {
			int result = fcntl(file, COMMANDS[n].command, &lock);
			return result == 0 && COMMANDS[n].command == F_GETLK ? holder(&lock) : outcome(result);
		}
	return "unknown";
}

static const char *step(int file, const char *name, char *const words[3])
{
	struct flock lock;

	if (strcmp(name, "flock") == 0) {
		int kind = *words[0] == 'u' ? LOCK_UN : *words[0] == 'r' ? LOCK_SH : LOCK_EX;
		return outcome(flock(file, kind | LOCK_NB));
	}
	if (strcmp(name, "count") == 0)
		return count_up(file, atoi(words[0]));
	if (strcmp(name, "free") == 0) {
		lock = lock_of("u", words[0], words[1]);
		return outcome(fcntl(file, F_SETLK, &lock));
	}
	return posix_lock(file, name, words);
}

static void run(int file, char *text)
{
	char *words[4] = { "", "", "", "" };
	double begun = now();

	for (int n = 0; n < 4 && text != NULL; n++)
		words[n] = strsep(&text, ":");
	if (strcmp(words[0], "hold") == 0)
		hold();
	else if (strcmp(words[0], "alarm") == 0)
		set_alarm(words[1]);
	else {
		const char *what = step(file, words[0], words + 1);
		printf("%s %s %.1f ms\n", words[0], what, now() - begun);
	}
}

int main(int count, char *arguments[])
{
	struct sigaction action = { .sa_handler = interrupt }; /* no SA_RESTART: it interrupts */
	sigset_t held;
	int file;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigprocmask(SIG_BLOCK, &held, NULL); /* it interrupts "hold" only, also if it came before */
	printf("pid %d\n", (int)getpid());
	if (count < 2 || (file = open(arguments[1], O_RDWR | O_CREAT, 0666)) < 0) {
		perror("locks");
		return 2;
	}
	for (int n = 2; n < count; n++)
		run(file, arguments[n]);
	return 0;
}
