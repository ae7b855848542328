/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of the proxy execution selftests.
 *
 * A test describes actors, each a task with a CPU, a scheduling policy and a
 * script of lock operations (test_modules/test_proxy_exec.h), starts them and
 * looks at the results of each operation afterwards. Actors are processes, so
 * that they can be killed, and share the memory of the results.
 *
 * H1 to H62 in the tests are the hazards that sched-proxy-exec.rst lists, in
 * Documentation/scheduler, and I1 to I9 the invariants of kernel/sched/proxy.c.
 */
#ifndef _PROXY_UTIL_H
#define _PROXY_UTIL_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "test_modules/test_proxy_exec.h"

#define PX_ACTORS	100
#define PX_LOG		(64 * 1024)
#define PX_STATS	4096

/* Flags with a fixed meaning; a test uses those from PX_FLAG on. */
#define PX_GO		0	/* set by px_go() when every actor waits */
#define PX_HELD		1
#define PX_STOP		2
#define PX_FLAG		3

#define US(n)		((uint64_t)(n) * 1000)
#define MS(n)		((uint64_t)(n) * 1000000)

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE	6
#endif

struct px_attr {
	int policy;
	int nice;
	int prio;
	uint64_t runtime;	/* SCHED_DEADLINE, ns */
	uint64_t period;
};

#define PX_FAIR(n)	((struct px_attr){ .policy = SCHED_OTHER, .nice = (n) })
#define PX_IDLE		((struct px_attr){ .policy = SCHED_IDLE })
#define PX_BATCH(n)	((struct px_attr){ .policy = SCHED_BATCH, .nice = (n) })
#define PX_FIFO(p)	((struct px_attr){ .policy = SCHED_FIFO, .prio = (p) })
#define PX_RR(p)	((struct px_attr){ .policy = SCHED_RR, .prio = (p) })
#define PX_DL(r, p)	((struct px_attr){ .policy = SCHED_DEADLINE, \
					   .runtime = (r), .period = (p) })

struct px;

struct px_actor {
	struct px *px;
	struct px_attr attr;
	const char *name;	/* of the task, for who looks at a trace */
	int cpu;		/* pinned there; -1: anywhere */
	bool thread;		/* a thread of the test, not a process */
	bool pi;		/* holds px->pi while in its script */
	uint64_t rttime;	/* RLIMIT_RTTIME in us, 0: none */

	pthread_t handle;
	pid_t pid;
	pid_t trace_pid;	/* stays when it is gone */
	uint32_t slot;
	uint32_t nr;
	int error;		/* errno of the preparation */
	int ret;		/* 0 or -errno of the script */
	int done;
	int sigusr1;		/* signals seen */
	int sigxcpu;
	struct tpe_op op[TPE_MAX_OPS];
};

struct px {
	int fd;
	int kmsg;
	bool on;		/* proxy execution is */
	char stats[PX_STATS];	/* its counters at px_open() */
	bool rt_unlimited;	/* px_dl_begin() was here */
	uint32_t pi;		/* futex with priority inheritance */
	int nr;
	size_t log_len;
	bool log_lost;
	char log[PX_LOG];	/* kernel messages since px_open() */
	struct px_actor actor[PX_ACTORS];
};

/* Skips the program if module, debugfs or proxy execution are missing. */
void px_require(bool proxy);
bool px_enabled(void);
bool px_timing(void);
uint64_t px_limit(uint64_t limit);
uint64_t px_patient(unsigned int ms);
bool px_counts(struct px *px);

struct px *px_open(void);
int px_close(struct px *px);
bool px_logged(struct px *px, const char *text);
const char *px_splat(struct px *px);
bool px_reported(struct px *px, const char *what, struct px_actor *a,
		 const char *whom, struct px_actor *owner);

/* Lets SCHED_DEADLINE tasks be pinned; px_close() takes it back. */
int px_dl_begin(struct px *px);

struct px_actor *px_actor(struct px *px, int cpu, struct px_attr attr);
struct tpe_op *px_op(struct px_actor *a, uint32_t code, uint32_t arg,
		     uint64_t val);
struct px_actor *px_hog(struct px *px, int cpu, struct px_attr attr,
			uint64_t ns);

int px_start(struct px *px);
int px_go(struct px *px);
int px_join(struct px *px, int ms);
int px_run(struct px *px, int ms);
int px_set_flag(struct px *px, uint32_t flag);

uint32_t px_pc(struct px_actor *a);
uint64_t px_burned(struct px_actor *a);
bool px_blocked(struct px_actor *a, struct tpe_op *op);
int px_wait_blocked(struct px_actor *a, struct tpe_op *op, int ms);

int px_set_attr(pid_t pid, struct px_attr attr);
int px_set_cpus(pid_t pid, unsigned long mask);
long long px_sched(pid_t pid, const char *field);
long long px_stat(const char *counter);
long long px_delta(struct px *px, const char *counter);
char px_state(pid_t pid);
long px_ticks(pid_t pid);
int px_cpu(pid_t pid);
long long px_proc_stat(const char *field);
long long px_debug_sum(const char *field);
long long px_debug_cfs(int cpu, const char *field);
int px_online(int cpu, bool online);
int px_read(const char *path, char *buf, size_t size);
int px_write(const char *path, const char *text);
uint64_t px_now(void);
void px_sleep_ms(int ms);

/* Control groups below the root, for the cpu controller */
int px_group_make(const char *group);
int px_group_set(const char *group, const char *file, const char *value);
long long px_group_stat(const char *group, const char *field);
int px_group_join(const char *group, pid_t pid);
int px_group_remove(const char *group);

/* Boost the actor that has px->pi, until the return value is killed. */
pid_t px_boost(struct px *px, struct px_attr attr);

/* The plain inversion: a slow owner, a donor, hogs in between, one CPU. */
struct px_inversion {
	struct px_attr owner;
	struct px_attr donor;
	struct px_attr hog;
	int hogs;
	uint64_t section;	/* ns */
	uint64_t hog_max;	/* CPU time of one hog at most, ns */
	/* results */
	uint64_t latency;	/* of the donor's lock operation */
	uint64_t remaining;	/* of the section when the donor came */
	unsigned int ratio;	/* latency / remaining in percent */
	bool stayed;		/* owner and donor never left the CPU */
};

int px_invert(struct px *px, struct px_inversion *inv);
unsigned int px_ratio(const struct tpe_op *lock, uint64_t total,
		      uint64_t *remaining);

static inline struct tpe_op *px_lock(struct px_actor *a, uint32_t nr)
{
	return px_op(a, TPE_MUTEX_LOCK, nr, 0);
}

static inline struct tpe_op *px_lock_nested(struct px_actor *a, uint32_t nr,
					    uint32_t subclass)
{
	struct tpe_op *op = px_op(a, TPE_MUTEX_LOCK, nr, 0);

	op->subclass = subclass;
	return op;
}

static inline struct tpe_op *px_unlock(struct px_actor *a, uint32_t nr)
{
	return px_op(a, TPE_MUTEX_UNLOCK, nr, 0);
}

static inline struct tpe_op *px_burn(struct px_actor *a, uint64_t ns)
{
	return px_op(a, TPE_BURN, 0, ns);
}

static inline struct tpe_op *px_burn_until(struct px_actor *a, uint32_t flag,
					   uint64_t ns)
{
	return px_op(a, TPE_BURN_UNTIL, flag, ns);
}

static inline struct tpe_op *px_sleep(struct px_actor *a, uint64_t ns)
{
	return px_op(a, TPE_SLEEP, 0, ns);
}

static inline struct tpe_op *px_set(struct px_actor *a, uint32_t flag)
{
	return px_op(a, TPE_SET, flag, 0);
}

static inline struct tpe_op *px_wait(struct px_actor *a, uint32_t flag)
{
	return px_op(a, TPE_WAIT, flag, 0);
}

#endif
