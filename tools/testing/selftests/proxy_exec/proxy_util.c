// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "proxy_util.h"

#define PX_DEBUGFS	"/sys/kernel/debug/sched/proxy_exec"
#define PX_SCHED_DEBUG	"/sys/kernel/debug/sched/debug"
#define PX_CGROUPS	"/sys/fs/cgroup"
#define PX_RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

struct px_sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

/* --- files ------------------------------------------------------------- */

int px_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = 0, n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? -errno : len;
}

int px_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

/* Nanoseconds, or a plain number, from /proc/PID/sched; -1: no such field. */
long long px_sched(pid_t pid, const char *field)
{
	long long value = -1, frac;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/sched", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file)) {
		size_t len = strcspn(line, " :");
		char *colon = strchr(line, ':');

		if (!colon || len != strlen(field) || strncmp(line, field, len))
			continue;
		if (sscanf(colon + 1, "%lld.%6lld", &value, &frac) == 2)
			value = value * 1000000 + frac;
	}
	fclose(file);
	return value;
}

static long long px_counter(const char *stats, const char *counter)
{
	size_t len = strlen(counter);

	while (stats && *stats) {
		if (!strncmp(stats, counter, len) && stats[len] == ' ')
			return atoll(stats + len);
		stats = strchr(stats, '\n');
		if (stats)
			stats++;
	}
	return -1;
}

/* One counter of the feature; -1 without the feature. */
long long px_stat(const char *counter)
{
	char stats[PX_STATS];

	if (px_read(PX_DEBUGFS "/stats", stats, sizeof(stats)) < 0)
		return -1;
	return px_counter(stats, counter);
}

/* By how much it grew since px_open(). */
long long px_delta(struct px *px, const char *counter)
{
	return px_stat(counter) - px_counter(px->stats, counter);
}

static const char *px_stat_fields(pid_t pid, char *buf, size_t size)
{
	char path[64], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (px_read(path, buf, size) <= 0)
		return NULL;
	end = strrchr(buf, ')');
	return end ? end + 2 : NULL;
}

char px_state(pid_t pid)
{
	char buf[1024];
	const char *fields = px_stat_fields(pid, buf, sizeof(buf));

	return fields ? fields[0] : '?';
}

/* utime + stime */
long px_ticks(pid_t pid)
{
	unsigned long utime, stime;
	char buf[1024];
	const char *fields = px_stat_fields(pid, buf, sizeof(buf));

	if (!fields || sscanf(fields,
			      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      &utime, &stime) != 2)
		return -1;
	return utime + stime;
}

/* The CPU whose runqueue it belongs to */
int px_cpu(pid_t pid)
{
	char buf[1024];
	const char *fields = px_stat_fields(pid, buf, sizeof(buf));
	int i;

	/* The state is field 3, the CPU field 39. */
	for (i = 3; fields && i < 39; i++) {
		fields = strchr(fields, ' ');
		if (fields)
			fields++;
	}
	return fields ? atoi(fields) : -1;
}

/* procs_running and the like from /proc/stat */
long long px_proc_stat(const char *field)
{
	char buf[16384], *line;

	if (px_read("/proc/stat", buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, field);
	return line ? atoll(line + strlen(field)) : -1;
}

/* Sum over all CPUs of a field of the runqueues */
long long px_debug_sum(const char *field)
{
	long long sum = 0;
	char line[256];
	FILE *file = fopen(PX_SCHED_DEBUG, "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		size_t len = strcspn(line + 3, " :");
		char *colon = strchr(line, ':');

		if (!strncmp(line, "  .", 3) && colon &&
		    len == strlen(field) && !strncmp(line + 3, field, len))
			sum += atoll(colon + 1);
	}
	fclose(file);
	return sum;
}

/*
 * The task group of this process as @file has it at the end of the line of a
 * task, empty where there are no groups. A session can be one (autogroup). A task
 * that is on its way from one CPU to the next can be missing.
 */
static const char *px_debug_group(FILE *file)
{
	static char group[256];
	static bool found;
	bool tasks = false;
	char line[512], *path;
	int pid, tries;

	for (tries = 0; !found && tries < 10; tries++) {
		rewind(file);
		while (!found && fgets(line, sizeof(line), file)) {
			if (line[0] != ' ' && line[0] != '>') {
				tasks = !strncmp(line, "runnable tasks:", 15) ||
					(tasks && line[0] == '-');
				continue;
			}
			/* State, two characters; name, PID */
			if (!tasks || strnlen(line, 3) < 3 ||
			    sscanf(line + 2, "%*s %d", &pid) != 1 ||
			    pid != getpid())
				continue;
			line[strcspn(line, "\n")] = '\0';
			path = strstr(line, " /");
			if (path)
				snprintf(group, sizeof(group), "%s", path + 1);
			found = true;
		}
	}
	rewind(file);
	return group;
}

/* A field of this process' group's cfs_rq of @cpu, -1: unknown */
long long px_debug_cfs(int cpu, const char *field)
{
	char line[512], head[300];
	long long value = -1;
	bool here = false;
	FILE *file = fopen(PX_SCHED_DEBUG, "r");

	if (!file)
		return -1;
	snprintf(head, sizeof(head), "cfs_rq[%d]:%s", cpu, px_debug_group(file));
	while (value < 0 && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strstr(line, "_rq[")) {
			line[strcspn(line, "\n")] = '\0';
			here = !strcmp(line, head);
		} else if (here && colon && !strncmp(line, "  .", 3) &&
			   strcspn(line + 3, " :") == strlen(field) &&
			   !strncmp(line + 3, field, strlen(field))) {
			value = atoll(colon + 1);
		}
	}
	fclose(file);
	return value;
}

int px_online(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	return px_write(path, online ? "1" : "0");
}

/* --- control groups ---------------------------------------------------- */

int px_group_set(const char *group, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), PX_CGROUPS "/%s/%s", group, file);
	return px_write(path, value);
}

int px_group_make(const char *group)
{
	char path[128];
	int ret = px_write(PX_CGROUPS "/cgroup.subtree_control", "+cpu");

	snprintf(path, sizeof(path), PX_CGROUPS "/%s", group);
	if (!ret && mkdir(path, 0755) && errno != EEXIST)
		ret = -errno;
	return ret;
}

/* A field of cpu.stat, -1: none */
long long px_group_stat(const char *group, const char *field)
{
	char path[128], buf[1024], *line;

	snprintf(path, sizeof(path), PX_CGROUPS "/%s/cpu.stat", group);
	if (px_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	line = strstr(buf, field);
	return line ? atoll(line + strlen(field)) : -1;
}

/* "" is the root. */
int px_group_join(const char *group, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return px_group_set(group, "cgroup.procs", text);
}

int px_group_remove(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), PX_CGROUPS "/%s", group);
	return rmdir(path) ? -errno : 0;
}

/* --- time -------------------------------------------------------------- */

uint64_t px_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void px_sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* --- attributes -------------------------------------------------------- */

int px_set_attr(pid_t pid, struct px_attr attr)
{
	struct px_sched_attr sa = {
		.size = sizeof(sa),
		.policy = attr.policy,
		.nice = attr.nice,
		.priority = attr.prio,
		.runtime = attr.runtime,
		.deadline = attr.period,
		.period = attr.period,
	};

	return syscall(SYS_sched_setattr, pid, &sa, 0) ? -errno : 0;
}

int px_set_cpus(pid_t pid, unsigned long mask)
{
	return syscall(SYS_sched_setaffinity, pid, sizeof(mask), &mask) < 0 ?
	       -errno : 0;
}

/* --- module and feature ------------------------------------------------ */

bool px_enabled(void)
{
	char buf[16];

	return px_read(PX_DEBUGFS "/enabled", buf, sizeof(buf)) > 0 &&
	       buf[0] == '1';
}

/*
 * Latencies mean something on quiet machines and in deterministic guests. Where
 * most of a latency is what a debug kernel does for itself, PROXY_EXEC_TIMING
 * says by how much, in percent, a limit is to be stretched.
 */
static unsigned int px_percent(void)
{
	const char *env = getenv("PROXY_EXEC_TIMING");

	return env ? strtoul(env, NULL, 10) : 100;
}

bool px_timing(void)
{
	return px_percent();
}

/* What is at most @limit on a kernel without debugging */
uint64_t px_limit(uint64_t limit)
{
	return limit * px_percent() / 100;
}

/*
 * How long to wait for what somebody gets done sooner or later, in ns: longer
 * where a CPU is a thread of a host that has other things to do.
 */
uint64_t px_patient(unsigned int ms)
{
	return MS(px_timing() ? ms : 10 * ms);
}

/*
 * Which way a waiter took is as certain as it is when who came to the lock. What
 * a run as a whole must have counted is for whoever runs it to say.
 */
bool px_counts(struct px *px)
{
	return px->on && px_timing();
}

static void px_skip(const char *why)
{
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	exit(KSFT_SKIP);
}

static int px_load(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST ?
	      -errno : 0;
	close(fd);
	return ret;
}

static int px_load_module(void)
{
	char self[PATH_MAX] = "";
	char *dir;

	if (!access("/dev/" TPE_DEVICE, F_OK))
		return 0;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -errno;
	dir = dirname(self);
	if (!px_load(dir, "test_modules/test_proxy_exec.ko"))
		return 0;
	return px_load(dir, "test_proxy_exec.ko");
}

void px_require(bool proxy)
{
	if (geteuid())
		px_skip("needs root");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		px_skip("needs two CPUs");
	/* Without the feature the same programs serve as controls, if asked. */
	if (proxy && !px_enabled() && !getenv("PROXY_EXEC_CONTROL"))
		px_skip(access(PX_DEBUGFS, F_OK) ?
			"kernel without CONFIG_SCHED_PROXY_EXEC, or no debugfs" :
			"proxy execution is off");
	if (px_load_module())
		px_skip("cannot load test_proxy_exec.ko");
}

/* --- one test ---------------------------------------------------------- */

struct px *px_open(void)
{
	struct px *px = mmap(NULL, sizeof(*px), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (px == MAP_FAILED)
		return NULL;
	px->fd = open("/dev/" TPE_DEVICE, O_RDWR);
	px->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (px->fd < 0 || px->kmsg < 0)
		return NULL;
	lseek(px->kmsg, 0, SEEK_END);
	px->on = px_enabled();
	px_read(PX_DEBUGFS "/stats", px->stats, sizeof(px->stats));
	/* The actors have the other CPUs. */
	px_set_cpus(0, 1);
	/*
	 * The fair server lets fair tasks run after a second of starvation.
	 * The last test's starvation is none of this one's.
	 */
	if (px_timing())
		px_sleep_ms(1100);
	return px;
}

static void px_pull_log(struct px *px)
{
	char record[2048];
	ssize_t n;

	for (;;) {
		n = read(px->kmsg, record, sizeof(record));
		if (n < 0 && errno == EPIPE) {
			px->log_lost = true;
			continue;
		}
		if (n <= 0)
			return;
		/* Not every data race is ours: for whoever reads the console. */
		if (memmem(record, n, "KCSAN: ", 7))
			continue;
		if (px->log_len + n < sizeof(px->log)) {
			memcpy(px->log + px->log_len, record, n);
			px->log_len += n;
		} else {
			px->log_lost = true;
		}
	}
}

bool px_logged(struct px *px, const char *text)
{
	px_pull_log(px);
	return strstr(px->log, text);
}

/* The first sign of a kernel bug since px_open(), or NULL. */
const char *px_splat(struct px *px)
{
	static const char * const sign[] = {
		"WARNING: ", "BUG: ", "Oops", "INFO: ", "bad: scheduling",
		"DEBUG_LOCKS_WARN_ON", "general protection",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sign); i++) {
		if (px_logged(px, sign[i]))
			return sign[i];
	}
	return px->log_lost ? "some of the log is lost" : NULL;
}

/* Does a report say that the task @what waits for the lock of @whom? */
bool px_reported(struct px *px, const char *what, struct px_actor *a,
		 const char *whom, struct px_actor *owner)
{
	char text[64], *line;

	px_logged(px, "");
	snprintf(text, sizeof(text), "%s/%d waits for mutex ", what, a->pid);
	line = strstr(px->log, text);
	if (!line)
		return false;
	snprintf(text, sizeof(text), ", owner %s/%d state ", whom, owner->pid);
	line = strstr(line, text);
	return line;
}

static void px_kill_actors(struct px *px)
{
	int i;

	for (i = 0; i < px->nr; i++) {
		struct px_actor *a = &px->actor[i];

		if (a->pid > 0 && !a->thread && !a->done)
			kill(a->pid, SIGKILL);
	}
}

/* 0, or the number of actors that could not be brought to an end. */
int px_close(struct px *px)
{
	int left;

	px_kill_actors(px);
	left = px_join(px, 3000);
	/*
	 * Writing this resets the sum of the deadline bandwidth. Tasks that
	 * are gone subtract theirs a period later, so wait for them before.
	 */
	if (px->rt_unlimited) {
		px_sleep_ms(1100);
		px_write(PX_RT_RUNTIME, "950000");
	}
	close(px->kmsg);
	close(px->fd);
	return left;
}

int px_dl_begin(struct px *px)
{
	int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	int ret = px_write(PX_RT_RUNTIME, "-1");

	/*
	 * The sum can have become negative all the same, if deadline tasks end
	 * or CPUs go while it is reset. It is made anew with the root domains.
	 */
	if (ret == -EBUSY && cpu && !px_online(cpu, false) &&
	    !px_online(cpu, true))
		ret = px_write(PX_RT_RUNTIME, "-1");

	px->rt_unlimited = !ret;
	return ret;
}

/* --- actors ------------------------------------------------------------ */

struct px_actor *px_actor(struct px *px, int cpu, struct px_attr attr)
{
	struct px_actor *a = &px->actor[px->nr];

	if (px->nr == PX_ACTORS)
		ksft_exit_fail_msg("too many actors\n");
	a->px = px;
	a->cpu = cpu;
	a->attr = attr;
	a->slot = px->nr++;
	return a;
}

struct tpe_op *px_op(struct px_actor *a, uint32_t code, uint32_t arg,
		     uint64_t val)
{
	struct tpe_op *op = &a->op[a->nr];

	if (a->nr == TPE_MAX_OPS)
		ksft_exit_fail_msg("script too long\n");
	a->nr++;
	op->code = code;
	op->arg = arg;
	op->val = val;
	return op;
}

/* Burns CPU time from PX_HELD to PX_STOP. */
struct px_actor *px_hog(struct px *px, int cpu, struct px_attr attr,
			uint64_t ns)
{
	struct px_actor *a = px_actor(px, cpu, attr);

	px_wait(a, PX_HELD);
	px_burn_until(a, PX_STOP, ns);
	return a;
}

static struct px_actor *px_self;

static void px_signal(int sig)
{
	if (sig == SIGUSR1)
		px_self->sigusr1++;
	else
		px_self->sigxcpu++;
}

static int px_prepare(struct px_actor *a)
{
	int ret = 0;

	if (a->name)
		prctl(PR_SET_NAME, a->name);
	if (a->rttime) {
		struct rlimit limit = { a->rttime, a->rttime * 100 };

		if (setrlimit(RLIMIT_RTTIME, &limit))
			return -errno;
	}
	if (a->cpu >= 0)
		ret = px_set_cpus(0, 1ul << a->cpu);
	else
		ret = px_set_cpus(0, ~0ul);
	return ret ?: px_set_attr(0, a->attr);
}

static void px_act(struct px_actor *a)
{
	struct tpe_script script = {
		.ops = (uintptr_t)a->op,
		.nr = a->nr,
		.slot = a->slot,
	};

	a->error = px_prepare(a);
	if (a->pi && syscall(SYS_futex, &a->px->pi, FUTEX_LOCK_PI, 0, NULL))
		a->error = -errno;
	if (!a->error && ioctl(a->px->fd, TPE_IOC_RUN, &script))
		a->ret = -errno;
	if (a->pi)
		syscall(SYS_futex, &a->px->pi, FUTEX_UNLOCK_PI);
	a->done = 1;
}

pid_t px_boost(struct px *px, struct px_attr attr)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!px_set_attr(0, attr) &&
	    !syscall(SYS_futex, &px->pi, FUTEX_LOCK_PI, 0, NULL))
		syscall(SYS_futex, &px->pi, FUTEX_UNLOCK_PI);
	_exit(0);
}

static void px_act_process(struct px_actor *a)
{
	struct sigaction action = { .sa_handler = px_signal };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	px_self = a;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGXCPU, &action, NULL);
	px_act(a);
	_exit(0);
}

static void *px_act_thread(void *arg)
{
	struct px_actor *a = arg;

	a->pid = syscall(SYS_gettid);
	px_act(a);
	return NULL;
}

static int px_start_one(struct px_actor *a)
{
	pid_t pid;

	if (a->thread)
		return -pthread_create(&a->handle, NULL, px_act_thread, a);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		px_act_process(a);
	a->pid = pid;
	return 0;
}

/* Start the actors not started yet, wait until each is in its script. */
int px_start(struct px *px)
{
	uint64_t end = px_now() + MS(5000);
	int i, ret;

	for (i = 0; i < px->nr; i++) {
		if (px->actor[i].pid)
			continue;
		ret = px_start_one(&px->actor[i]);
		if (ret)
			return ret;
		while (!px->actor[i].done && !px_pc(&px->actor[i])) {
			if (px_now() > end)
				return -ETIMEDOUT;
			px_sleep_ms(1);
		}
		if (px->actor[i].error)
			return px->actor[i].error;
	}
	return 0;
}

int px_set_flag(struct px *px, uint32_t flag)
{
	struct tpe_op op = { .code = TPE_SET, .arg = flag };
	struct tpe_script script = {
		.ops = (uintptr_t)&op,
		.nr = 1,
		.slot = TPE_SLOTS - 1,
	};

	return ioctl(px->fd, TPE_IOC_RUN, &script) ? -errno : 0;
}

int px_go(struct px *px)
{
	int ret = px_start(px);

	return ret ?: px_set_flag(px, PX_GO);
}

static bool px_gone(struct px_actor *a)
{
	if (a->pid <= 0)
		return true;
	if (a->thread) {
		if (!a->done)
			return false;
		pthread_join(a->handle, NULL);
	} else if (waitpid(a->pid, NULL, WNOHANG) != a->pid) {
		return false;
	}
	a->done = 1;
	a->pid = -1;
	return true;
}

/* 0, or the number of actors still there after ms milliseconds. */
int px_join(struct px *px, int ms)
{
	uint64_t end = px_now() + px_patient(ms);
	int i, left;

	for (;;) {
		for (i = 0, left = 0; i < px->nr; i++)
			left += !px_gone(&px->actor[i]);
		if (!left || px_now() > end)
			return left;
		px_sleep_ms(2);
	}
}

int px_run(struct px *px, int ms)
{
	int ret = px_go(px);

	return ret ?: px_join(px, ms);
}

static void px_peek(struct px_actor *a, struct tpe_peek *peek)
{
	*peek = (struct tpe_peek){ .slot = a->slot };
	ioctl(a->px->fd, TPE_IOC_PEEK, peek);
}

/* 0: not in the script, n: in its operation n - 1 */
uint32_t px_pc(struct px_actor *a)
{
	struct tpe_peek peek;

	px_peek(a, &peek);
	return peek.pc;
}

uint64_t px_burned(struct px_actor *a)
{
	struct tpe_peek peek;

	px_peek(a, &peek);
	return peek.burned;
}

bool px_blocked(struct px_actor *a, struct tpe_op *op)
{
	char state = px_state(a->pid);

	return px_pc(a) == op - a->op + 1 && (state == 'D' || state == 'S');
}

int px_wait_blocked(struct px_actor *a, struct tpe_op *op, int ms)
{
	uint64_t end = px_now() + px_patient(ms);

	while (!px_blocked(a, op)) {
		if (px_now() > end)
			return -ETIMEDOUT;
		px_sleep_ms(1);
	}
	return 0;
}

/* --- the plain inversion ----------------------------------------------- */

/* Latency of a lock operation in percent of what the owner had left to do. */
unsigned int px_ratio(const struct tpe_op *lock, uint64_t total,
		      uint64_t *remaining)
{
	uint64_t left = lock->seen < total ? total - lock->seen : 1;

	if (remaining)
		*remaining = left;
	return (lock->end - lock->start) * 100 / left;
}

int px_invert(struct px *px, struct px_inversion *inv)
{
	struct px_actor *owner, *donor;
	struct tpe_op *lock;
	int i, ret;

	owner = px_actor(px, 1, inv->owner);
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, inv->section);
	px_unlock(owner, 0);

	for (i = 0; i < inv->hogs; i++)
		px_hog(px, 1, inv->hog, inv->hog_max);

	donor = px_actor(px, 1, inv->donor);
	px_wait(donor, PX_HELD);
	px_sleep(donor, MS(5));
	lock = px_lock(donor, 0);
	lock->watch = owner->slot;
	px_set(donor, PX_STOP);
	px_unlock(donor, 0);

	ret = px_run(px, 20000);
	if (ret)
		return ret;
	inv->latency = lock->end - lock->start;
	inv->ratio = px_ratio(lock, inv->section, &inv->remaining);
	inv->stayed = true;
	for (i = 0; i < (int)owner->nr; i++)
		inv->stayed &= owner->op[i].cpu == 1;
	for (i = 0; i < (int)donor->nr; i++)
		inv->stayed &= donor->op[i].cpu == 1;
	return owner->ret ?: donor->ret;
}
