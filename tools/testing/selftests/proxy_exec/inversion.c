// SPDX-License-Identifier: GPL-2.0
/*
 * A priority inversion through an ordinary kernel mutex, measured.
 *
 * Regular files have file->f_pos_lock, a mutex held over a whole read() when
 * the file description is shared. Three kinds of process share one
 * description through fork() and are pinned to one CPU:
 *
 *	owner	nice 19 or SCHED_IDLE; reads the file once per round, which is
 *		the critical section
 *	hogs	nice 0, never sleep while a round lasts, take no lock
 *	fg	the foreground task; in the middle of the owner's read() it
 *		calls lseek(), which needs the mutex
 *
 * A round:
 *
 *	1. The hogs sleep. The owner enters read() and runs alone until its CPU
 *	   clock says that it has done a given share of the section.
 *	2. The hogs are let go; the owner now gets what is left of the CPU.
 *	3. After a delay, which differs from round to round, the foreground
 *	   task is woken, reads the owner's CPU clock and calls lseek().
 *
 * The latency of that call cannot be less than the CPU time the owner still
 * needs to leave the section: the owner's CPU clock right after its read()
 * minus the same clock right before the foreground task blocked. The ratio of
 * the two is 1.0 when the foreground task's claim to the CPU serves the owner
 * as long as it blocks, and has no bound when it does not.
 *
 * Share and delay follow a fixed sequence, so that rounds meet the scheduler
 * at different points of its slices and a run can be repeated.
 *
 * Output: lines of key=value, one per round ("round:") and one at the end
 * ("summary:"), and a sentence. This is a measurement, not a test: it judges
 * nothing and fails only when it could not measure.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"

#define NSEC_PER_USEC	1000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

#define MAX_HOGS	16
#define MAX_ROUNDS	1000

/* Below this the fixed costs of a block and a wakeup are what is measured. */
#define MIN_REMAINING	(100 * NSEC_PER_USEC)

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE	6
#endif

/* sched_setattr() has no wrapper in the C library. */
struct attr {
	__u32 size;
	__u32 policy;
	__u64 flags;
	__s32 nice;
	__u32 priority;
	__u64 runtime;
	__u64 deadline;
	__u64 period;
};

struct sched_kind {
	const char *name;
	struct attr attr;
};

static const struct sched_kind kinds[] = {
	{ "nice19",	{ .policy = SCHED_OTHER, .nice = 19 } },
	{ "idle",	{ .policy = SCHED_IDLE } },
	{ "nice0",	{ .policy = SCHED_OTHER } },
	{ "nice-20",	{ .policy = SCHED_OTHER, .nice = -20 } },
	{ "fifo",	{ .policy = SCHED_FIFO, .priority = 50 } },
	{ "deadline",	{ .policy = SCHED_DEADLINE,
			  .runtime = 20 * NSEC_PER_MSEC,
			  .deadline = 40 * NSEC_PER_MSEC,
			  .period = 40 * NSEC_PER_MSEC } },
};

/* Shared by all processes. The words named *_go and *_done are futexes. */
struct shared {
	unsigned int owner_go;		/* round the owner may start */
	unsigned int owner_done;	/* round the owner has finished */
	unsigned int fg_go;		/* round the foreground task may start */
	unsigned int fg_done;		/* round the foreground task finished */
	unsigned int hogs_go;		/* 1: the hogs run, 0: they sleep */
	unsigned int in_section;	/* round whose read() has been entered */

	__u64 start_cpu;		/* owner's CPU clock before read() */
	__u64 end_cpu;		/* owner's CPU clock after read() */
	__u64 block_cpu;		/* owner's CPU clock as fg blocks */
	__u64 latency;
	bool missed;			/* the section was over already */
	int error;			/* errno of a failed call */
};

struct round {
	__u64 remaining;
	__u64 latency;
	double ratio;
};

static struct shared *sh;
static int shared_fd;
static clockid_t owner_clock;

static const struct sched_kind *owner_kind;
static const struct sched_kind *fg_kind;
static unsigned int nr_hogs = 2;
static unsigned int nr_rounds = 20;
static unsigned int seed = 1;
static unsigned int cpu = 1;
static size_t section_bytes = 8 << 20;
static __u64 delay_max = 50 * NSEC_PER_MSEC;
static __u64 limit = 20 * NSEC_PER_SEC;
static const char *dir = "/tmp";

static pid_t children[MAX_HOGS + 2];
static unsigned int nr_children;

static void kill_children(void)
{
	unsigned int i;

	for (i = 0; i < nr_children; i++)
		kill(children[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	nr_children = 0;
}

static void die(const char *what)
{
	fprintf(stderr, "inversion: %s: %s\n", what, strerror(errno));
	kill_children();
	exit(1);
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void sleep_ns(__u64 ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static unsigned int get(unsigned int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* Write a word and wake whoever sleeps on it. */
static void set(unsigned int *word, unsigned int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Sleep until a word has the given value, at most that long (0: for ever). */
static bool await(unsigned int *word, unsigned int value, __u64 timeout)
{
	__u64 end = clock_ns(CLOCK_MONOTONIC) + timeout;

	for (;;) {
		struct timespec ts, *tsp = NULL;
		unsigned int seen = get(word);

		if (seen == value)
			return true;
		if (timeout) {
			__u64 now = clock_ns(CLOCK_MONOTONIC);

			if (now >= end)
				return false;
			ts.tv_sec = (end - now) / NSEC_PER_SEC;
			ts.tv_nsec = (end - now) % NSEC_PER_SEC;
			tsp = &ts;
		}
		syscall(SYS_futex, word, FUTEX_WAIT, seen, tsp, NULL, 0);
	}
}

static void pin(unsigned int to)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(to, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "inversion: no CPU %u\n", to);
		kill_children();
		exit(KSFT_SKIP);
	}
}

static int set_kind(const struct sched_kind *kind)
{
	struct attr attr = kind->attr;

	attr.size = sizeof(attr);
	return syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void run_owner(void)
{
	char *buf = malloc(section_bytes);
	unsigned int n;

	if (!buf)
		_exit(1);
	/* Page faults belong to no round. */
	memset(buf, 1, section_bytes);
	for (n = 1;; n++) {
		ssize_t ret;

		await(&sh->owner_go, n, 0);
		if (lseek(shared_fd, 0, SEEK_SET))
			sh->error = errno;
		sh->start_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		__atomic_store_n(&sh->in_section, n, __ATOMIC_SEQ_CST);
		ret = read(shared_fd, buf, section_bytes);
		sh->end_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		if (ret != (ssize_t)section_bytes)
			sh->error = ret < 0 ? errno : EIO;
		set(&sh->owner_done, n);
	}
}

static void run_fg(void)
{
	unsigned int n;

	for (n = 1;; n++) {
		__u64 t0, t1;

		await(&sh->fg_go, n, 0);
		sh->missed = get(&sh->owner_done) == n;
		sh->block_cpu = clock_ns(owner_clock);
		t0 = clock_ns(CLOCK_MONOTONIC);
		if (lseek(shared_fd, 0, SEEK_CUR) < 0)
			sh->error = errno;
		t1 = clock_ns(CLOCK_MONOTONIC);
		sh->latency = t1 - t0;
		set(&sh->fg_done, n);
	}
}

static void run_hog(void)
{
	for (;;) {
		await(&sh->hogs_go, 1, 0);
		while (get(&sh->hogs_go))
			;
	}
}

/*
 * Start a child on the CPU under test. It stays SCHED_OTHER until it is
 * pinned: a deadline task may not be pinned afterwards.
 */
static pid_t start_child(void (*run)(void), const struct sched_kind *kind)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(cpu);
		/* Not before the parent has learnt about us. */
		raise(SIGSTOP);
		if (set_kind(kind)) {
			fprintf(stderr, "inversion: cannot become %s: %s\n",
				kind->name, strerror(errno));
			_exit(KSFT_SKIP);
		}
		run();
		_exit(0);
	}
	children[nr_children++] = pid;
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) {
		fprintf(stderr, "inversion: a child failed at once\n");
		kill_children();
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	return pid;
}

static void check_children(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0)
		return;
	fprintf(stderr, "inversion: a child died, status %#x\n", status);
	kill_children();
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int make_file(void)
{
	char path[PATH_MAX];
	char *buf;
	int fd;

	snprintf(path, sizeof(path), "%s/inversion.%d", dir, getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(path);
	unlink(path);
	buf = calloc(1, section_bytes);
	if (!buf || write(fd, buf, section_bytes) != (ssize_t)section_bytes)
		die("write");
	free(buf);
	return fd;
}

/* The next number of a fixed sequence, uniform in [0, 1). */
static double next_random(void)
{
	static __u64 state;

	if (!state)
		state = seed * 0x9e3779b97f4a7c15ULL;
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(state >> 40) / (1 << 24);
}

/* Time the section with nobody in the way. */
static __u64 run_uncontended(unsigned int n)
{
	set(&sh->owner_go, n);
	while (!await(&sh->owner_done, n, limit))
		check_children();
	/* The foreground task's part of the round, free of contention. */
	set(&sh->fg_go, n);
	await(&sh->fg_done, n, limit);
	return sh->end_cpu - sh->start_cpu;
}

enum outcome { MEASURED, VOID, BOUNDED };

static enum outcome run_round(unsigned int n, __u64 progress,
			      __u64 delay, struct round *round)
{
	enum outcome outcome = MEASURED;
	__u64 start;

	set(&sh->owner_go, n);
	start = clock_ns(CLOCK_MONOTONIC);
	while (get(&sh->in_section) != n ||
	       clock_ns(owner_clock) - sh->start_cpu < progress) {
		if (get(&sh->owner_done) == n)
			break;
		if (clock_ns(CLOCK_MONOTONIC) - start > limit) {
			errno = ETIMEDOUT;
			die("the owner does not get ahead");
		}
		sleep_ns(50 * NSEC_PER_USEC);
	}
	set(&sh->hogs_go, 1);
	sleep_ns(delay);

	set(&sh->fg_go, n);
	if (!await(&sh->fg_done, n, limit)) {
		check_children();
		outcome = BOUNDED;
	}
	set(&sh->hogs_go, 0);

	if (!await(&sh->fg_done, n, limit) || !await(&sh->owner_done, n, limit)) {
		check_children();
		errno = ETIMEDOUT;
		die("a round does not end");
	}
	if (sh->error) {
		errno = sh->error;
		die("round");
	}
	if (sh->missed || sh->end_cpu < sh->block_cpu + MIN_REMAINING)
		return VOID;
	round->remaining = sh->end_cpu - sh->block_cpu;
	round->latency = sh->latency;
	round->ratio = (double)round->latency / round->remaining;
	return outcome;
}

static int compare_u64(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int compare_double(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void summarize(struct round *rounds, unsigned int n, unsigned int voids,
		      unsigned int bounded, __u64 section)
{
	static __u64 latency[MAX_ROUNDS], remaining[MAX_ROUNDS];
	static double ratio[MAX_ROUNDS];
	unsigned int i;

	for (i = 0; i < n; i++) {
		latency[i] = rounds[i].latency;
		remaining[i] = rounds[i].remaining;
		ratio[i] = rounds[i].ratio;
	}
	qsort(latency, n, sizeof(latency[0]), compare_u64);
	qsort(remaining, n, sizeof(remaining[0]), compare_u64);
	qsort(ratio, n, sizeof(ratio[0]), compare_double);

	printf("summary: owner=%s fg=%s hogs=%u rounds=%u void=%u bounded=%u section_ns=%llu",
	       owner_kind->name, fg_kind->name, nr_hogs, n, voids, bounded,
	       section);
	printf(" remaining_p50_ns=%llu remaining_max_ns=%llu",
	       remaining[n / 2], remaining[n - 1]);
	printf(" latency_p50_ns=%llu latency_max_ns=%llu",
	       latency[n / 2], latency[n - 1]);
	printf(" ratio_p50=%.3f ratio_max=%.3f\n", ratio[n / 2], ratio[n - 1]);

	printf("# A %s task waited %.2f ms (median of %u) for a %s task that needed",
	       fg_kind->name, latency[n / 2] / 1e6, n, owner_kind->name);
	printf(" %.2f ms more: %.2f times as long (worst %.2f).\n",
	       remaining[n / 2] / 1e6, ratio[n / 2], ratio[n - 1]);
}

static const struct sched_kind *find_kind(const char *name, bool owner)
{
	/* The first two are the owner's, the rest the foreground task's. */
	unsigned int i = owner ? 0 : 2;
	unsigned int end = owner ? 2 : ARRAY_SIZE(kinds);

	for (; i < end; i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	fprintf(stderr, "inversion: unknown scheduling of %s: %s\n",
		owner ? "the owner" : "the foreground task", name);
	exit(2);
}

static void usage(void)
{
	fprintf(stderr,
		"options of inversion, and what they are if not given:\n"
		"  --owner nice19|idle                     (nice19)\n"
		"  --fg nice0|nice-20|fifo|deadline        (nice0)\n"
		"  --hogs N          tasks that only compute (2)\n"
		"  --rounds N        rounds to measure (20)\n"
		"  --phase N         seed of the sequence of phases (1)\n"
		"  --cpu N           the CPU everything happens on (1)\n"
		"  --kib N           size of the read, KiB (8192)\n"
		"  --delay-ms N      longest time from hogs to foreground (50)\n"
		"  --limit-ms N      give up waiting in a round after (20000)\n"
		"  --dir DIR         where to make the file, tmpfs (/tmp)\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "owner",	required_argument, NULL, 'o' },
		{ "fg",		required_argument, NULL, 'f' },
		{ "hogs",	required_argument, NULL, 'h' },
		{ "rounds",	required_argument, NULL, 'r' },
		{ "phase",	required_argument, NULL, 'p' },
		{ "cpu",	required_argument, NULL, 'c' },
		{ "kib",	required_argument, NULL, 'k' },
		{ "delay-ms",	required_argument, NULL, 'd' },
		{ "limit-ms",	required_argument, NULL, 'l' },
		{ "dir",	required_argument, NULL, 'D' },
		{ }
	};
	int opt;

	owner_kind = find_kind("nice19", true);
	fg_kind = find_kind("nice0", false);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'o':
			owner_kind = find_kind(optarg, true);
			break;
		case 'f':
			fg_kind = find_kind(optarg, false);
			break;
		case 'h':
			nr_hogs = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			nr_rounds = strtoul(optarg, NULL, 0);
			break;
		case 'p':
			seed = strtoul(optarg, NULL, 0) + 1;
			break;
		case 'c':
			cpu = strtoul(optarg, NULL, 0);
			break;
		case 'k':
			section_bytes = strtoul(optarg, NULL, 0) << 10;
			break;
		case 'd':
			delay_max = strtoul(optarg, NULL, 0) * NSEC_PER_MSEC;
			break;
		case 'l':
			limit = strtoul(optarg, NULL, 0) * NSEC_PER_MSEC;
			break;
		case 'D':
			dir = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !section_bytes || !limit || !nr_rounds ||
	    nr_rounds > MAX_ROUNDS || nr_hogs > MAX_HOGS)
		usage();
}

/*
 * A pinned deadline task has to pass the admission test of its whole root
 * domain; without a limit on real-time time there is none.
 */
static void no_rt_limit(void)
{
	int fd = open("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY);

	if (fd < 0 || write(fd, "-1", 2) != 2)
		fprintf(stderr, "inversion: cannot lift the limit on real-time time\n");
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct round rounds[MAX_ROUNDS];
	unsigned int i, n = 0, measured = 0, voids = 0, bounded = 0;
	__u64 section;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* The controller stays away from the CPU under test. */
	pin(cpu ? 0 : 1);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		die("mmap");
	shared_fd = make_file();
	if (fg_kind->attr.policy == SCHED_DEADLINE)
		no_rt_limit();

	if (clock_getcpuclockid(start_child(run_owner, owner_kind), &owner_clock))
		die("clock_getcpuclockid");
	start_child(run_fg, fg_kind);
	for (i = 0; i < nr_hogs; i++)
		start_child(run_hog, find_kind("nice0", false));
	for (i = 0; i < nr_children; i++)
		kill(children[i], SIGCONT);

	section = run_uncontended(++n);
	/* The first one pays for cold caches and page tables. */
	section = run_uncontended(++n);
	check_children();

	/* Void rounds are repeated, but not for ever. */
	while (measured < nr_rounds && voids < 3 * nr_rounds) {
		__u64 progress = next_random() * 0.9 * section;
		__u64 delay = next_random() * delay_max;
		struct round *round = &rounds[measured];

		/* Let them settle, and meet the tick at any point. */
		sleep_ns((5 + next_random()) * NSEC_PER_MSEC);
		switch (run_round(++n, progress, delay, round)) {
		case VOID:
			voids++;
			continue;
		case BOUNDED:
			bounded++;
			break;
		case MEASURED:
			break;
		}
		printf("round: n=%u progress_ns=%llu delay_ns=%llu",
		       measured, progress, delay);
		printf(" remaining_ns=%llu latency_ns=%llu ratio=%.3f\n",
		       round->remaining, round->latency, round->ratio);
		measured++;
	}
	kill_children();
	if (measured < nr_rounds) {
		fprintf(stderr, "inversion: only %u of %u rounds met the owner in its section\n",
			measured, nr_rounds);
		return 1;
	}
	summarize(rounds, measured, voids, bounded, section);
	return 0;
}
