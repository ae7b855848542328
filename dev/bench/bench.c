// SPDX-License-Identifier: GPL-2.0
/*
 * What the scheduler costs, where no tool of the distribution measures just
 * that. For dev/bench/benchmark.sh; prints lines "NAME VALUE", times in ns.
 *
 *   bench pipe|futex CPU CPU ROUNDS	a byte, or a word, to and fro
 *   bench fork|exec ROUNDS
 *   bench wake WORKERS ROUNDS		in the manner of schbench: one task wakes
 *					many, each does its bit and waits
 *   bench skew N			N turns of nothing, for another phase
 *   bench mark begin|end		what insns.c counts
 *   bench time CMD...			how long it takes, and how many switches
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void futex_wait(uint32_t *f, uint32_t val)
{
	while (__atomic_load_n(f, __ATOMIC_ACQUIRE) == val)
		syscall(SYS_futex, f, FUTEX_WAIT, val, NULL, NULL, 0);
}

static void futex_wake(uint32_t *f, uint32_t val, int nr)
{
	__atomic_store_n(f, val, __ATOMIC_RELEASE);
	syscall(SYS_futex, f, FUTEX_WAKE, nr, NULL, NULL, 0);
}

static void byte(int fd, int out)
{
	char c = 0;

	if ((out ? write(fd, &c, 1) : read(fd, &c, 1)) != 1)
		die("pipe");
}

/* A round trip is two switches on one CPU. The first rounds are not counted. */
static void ping_pong(int futex, int cpu0, int cpu1, int rounds)
{
	int to[2], fro[2], i, warm = rounds / 10 + 1;
	uint32_t *f = shared(4096);
	uint64_t t = 0;
	pid_t pid;

	if (pipe(to) || pipe(fro))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		pin(cpu1);
		for (i = 0; i < rounds + warm; i++) {
			if (futex) {
				futex_wait(f, 0);
				futex_wake(f, 0, 1);
			} else {
				byte(to[0], 0);
				byte(fro[1], 1);
			}
		}
		_exit(0);
	}
	pin(cpu0);
	for (i = 0; i < rounds + warm; i++) {
		if (i == warm)
			t = now();
		if (futex) {
			futex_wake(f, 1, 1);
			futex_wait(f, 1);
		} else {
			byte(to[1], 1);
			byte(fro[0], 0);
		}
	}
	t = now() - t;
	waitpid(pid, NULL, 0);
	printf("trip %.2f\n", (double)t / rounds);
}

static void children(int exec, int rounds, const char *self)
{
	uint64_t t = 0;
	int i, status;
	pid_t pid;

	for (i = -2; i < rounds; i++) {
		if (!i)
			t = now();
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid) {
			if (exec)
				execl(self, self, "skew", "0", NULL);
			_exit(exec);
		}
		waitpid(pid, &status, 0);
		if (status) {
			fprintf(stderr, "exec failed\n");
			exit(1);
		}
	}
	printf("child %.0f\n", (double)(now() - t) / rounds);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct worker {
	uint32_t go;
	uint32_t done;
	uint64_t sent;
} __attribute__((aligned(64)));

static void wake(int workers, int rounds)
{
	struct worker *w = shared(workers * sizeof(*w));
	uint64_t *lat = shared((size_t)workers * rounds * sizeof(*lat));
	uint32_t *left = shared(4096);
	volatile int spin;
	size_t nr = (size_t)workers * rounds;
	double sum = 0;
	size_t i;
	int r, k;

	for (k = 0; k < workers; k++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid)
			continue;
		for (r = 0; r < rounds; r++) {
			futex_wait(&w[k].go, r);
			lat[(size_t)r * workers + k] = now() - w[k].sent;
			for (spin = 0; spin < 2000; spin++)
				;
			if (__atomic_sub_fetch(left, 1, __ATOMIC_ACQ_REL) == 0)
				syscall(SYS_futex, left, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
		_exit(0);
	}
	for (r = 0; r < rounds; r++) {
		uint32_t v;

		*left = workers;
		for (k = 0; k < workers; k++) {
			w[k].sent = now();
			futex_wake(&w[k].go, r + 1, 1);
		}
		while ((v = __atomic_load_n(left, __ATOMIC_ACQUIRE)))
			syscall(SYS_futex, left, FUTEX_WAIT, v, NULL, NULL, 0);
	}
	while (wait(NULL) > 0)
		;
	for (i = 0; i < nr; i++)
		sum += lat[i];
	qsort(lat, nr, sizeof(*lat), by_value);
	printf("mean %.0f\n", sum / nr);
	printf("p50 %llu\n", (unsigned long long)lat[nr / 2]);
	printf("p99 %llu\n", (unsigned long long)lat[nr * 99 / 100]);
	printf("max %llu\n", (unsigned long long)lat[nr - 1]);
}

static void skew(int n)
{
	volatile int i;

	for (i = 0; i < n; i++)
		;
}

static unsigned long long switches(void)
{
	unsigned long long n = 0;
	char line[256];
	FILE *f = fopen("/proc/stat", "r");

	if (!f)
		die("/proc/stat");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "ctxt %llu", &n) == 1)
			break;
	fclose(f);
	return n;
}

static int timed(char **cmd)
{
	unsigned long long before = switches();
	uint64_t t = now();
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execvp(cmd[0], cmd);
		die(cmd[0]);
	}
	waitpid(pid, &status, 0);
	printf("time %llu\n", (unsigned long long)(now() - t));
	printf("switches %llu\n", switches() - before);
	return status != 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int a = argc > 2 ? atoi(argv[2]) : 0;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if ((!strcmp(what, "pipe") || !strcmp(what, "futex")) && argc == 5)
		ping_pong(*what == 'f', a, atoi(argv[3]), atoi(argv[4]));
	else if (!strcmp(what, "fork") || !strcmp(what, "exec"))
		children(*what == 'e', a, argv[0]);
	else if (!strcmp(what, "wake") && argc == 4)
		wake(a, atoi(argv[3]));
	else if (!strcmp(what, "time") && argc > 2)
		return timed(argv + 2);
	else if (!strcmp(what, "skew"))
		skew(a);
	else if (!strcmp(what, "mark") && argc == 3 && !strcmp(argv[2], "begin"))
		asm volatile ("nopl 0x0ba5e001(%rax)");
	else if (!strcmp(what, "mark"))
		asm volatile ("nopl 0x0ba5e002(%rax)");
	else
		return 2;
	return 0;
}
