// SPDX-License-Identifier: GPL-2.0
/*
 * The trace events of proxy execution: which ones come in which order for each
 * way that a wait for a lock can take, and that there are as many of each as the
 * counters say.
 *
 * Each test has the sequence that is expected. Of an event only what is about
 * the tasks of the test is compared, by their names: comm, who it is about
 * (owner_comm, to_comm), and what distinguishes the ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/proxy_exec"
#define TEXT		(8 << 20)
#define GOLDEN		4096
#define GROUP		"px_events"
#define DEEP		64	/* PROXY_MAX_DEPTH */

static char *text;

static int trace_set(const char *file, const char *value)
{
	char path[128];
	int ret;

	snprintf(path, sizeof(path), INSTANCE "/%s", file);
	ret = px_write(path, value);
	return ret;
}

static bool trace_possible(void)
{
	if (access(TRACEFS "/instances", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	return !access(TRACEFS "/events/sched_proxy", F_OK);
}

/* What was recorded so far goes by truncation only, not by what is written. */
static int trace_clear(void)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC);

	return fd < 0 ? -errno : close(fd);
}

static int trace_begin(void)
{
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	return trace_set("trace_clock", "mono") ?:
	       trace_set("buffer_size_kb", "2048") ?:
	       trace_clear() ?:
	       trace_set("events/sched_proxy/enable", "1") ?:
	       trace_set("tracing_on", "1");
}

/* The text of all events since trace_begin() */
static int trace_end(void)
{
	int ret = trace_set("events/sched_proxy/enable", "0");

	return ret ?: px_read(INSTANCE "/trace", text, TEXT) > 0 ? 0 : -EIO;
}

static void trace_remove(void)
{
	trace_set("events/sched_proxy/enable", "0");
	rmdir(INSTANCE);
}

/* The value of @key in @line, up to the next space */
static bool value_of(const char *line, const char *key, char *to, size_t size)
{
	size_t len = strlen(key);
	const char *at = line;

	while ((at = strstr(at, key))) {
		if (at > line && at[-1] == ' ' && at[len] == '=') {
			snprintf(to, size, "%.*s",
				 (int)strcspn(at + len + 1, "\n "), at + len + 1);
			return true;
		}
		at += len;
	}
	return false;
}

static bool is_ours(struct px *px, const char *line, const char *key)
{
	char pid[16];
	int i;

	if (!value_of(line, key, pid, sizeof(pid)))
		return false;
	for (i = 0; i < px->nr; i++) {
		if (px->actor[i].name && px->actor[i].slot == (uint32_t)i &&
		    atoi(pid) == px->actor[i].trace_pid)
			return true;
	}
	return false;
}

/* The start of the line before @at */
static char *line_before(char *text, char *at)
{
	if (at > text)
		at--;
	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

/*
 * A tick, a wakeup of somebody else or a kernel thread in between make the CPU
 * look again: the same line, or a pair of donate and end, counts once.
 */
static void fold(char *text)
{
	char *end = text + strlen(text);
	char *last = line_before(text, end);
	char *pair = line_before(text, last);
	char *past = line_before(text, line_before(text, pair));
	bool again = last > text && end - last == last - pair &&
		     !strncmp(pair, last, end - last);

	if (again)
		*last = '\0';
	else if (!strncmp(pair, "donate ", 7) && !strncmp(last, "end ", 4) &&
		 pair - past == end - pair && !strncmp(past, pair, end - pair))
		*pair = '\0';
}

static void add_event(char *to, const char *line, const char *name, size_t len)
{
	static const char * const keys[] = {
		"comm", "owner_comm", "to_comm", "why", "reason", "depth",
		"orig_cpu", "dest_cpu",
	};
	char event[256], value[64];
	unsigned int i, at;

	at = snprintf(event, sizeof(event), "%.*s", (int)len, name);
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (value_of(line, keys[i], value, sizeof(value)) && *value)
			at += snprintf(event + at, sizeof(event) - at, " %s",
				       value);
	}
	if (strlen(to) + at + 2 < GOLDEN) {
		strcat(to, event);
		strcat(to, "\n");
		fold(to);
	}
}

/* What has happened to the tasks of the test, a line for each event */
static void events_of(struct px *px, char *to)
{
	char *line, *save = NULL;

	*to = '\0';
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name = strstr(line, ": sched_proxy_");
		size_t len;

		if (!name)
			continue;
		name += strlen(": sched_proxy_");
		len = strcspn(name, ":");
		if (is_ours(px, line, "pid") || is_ours(px, line, "to_pid"))
			add_event(to, name + len, name, len);
	}
}

FIXTURE(events)
{
	struct px *px;
	char seen[GOLDEN];
};

FIXTURE_SETUP(events)
{
	if (!trace_possible())
		SKIP(return, "no trace events");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	text = malloc(TEXT);
	ASSERT_NE(NULL, text);
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
	ASSERT_EQ(0, trace_begin());
}

FIXTURE_TEARDOWN(events)
{
	trace_remove();
	free(text);
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
	px_group_remove(GROUP);
}

static struct px_actor *actor(struct px *px, const char *name, int cpu,
			      struct px_attr attr)
{
	struct px_actor *a = px_actor(px, cpu, attr);

	a->name = name;
	return a;
}

/* Holds lock 0 for so long, and lets the others come when it has done a bit. */
static struct px_actor *add_owner(struct px *px, struct px_attr attr,
				  uint64_t nap, uint64_t burn)
{
	struct px_actor *a = actor(px, "owner", 1, attr);

	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	if (nap)
		px_sleep(a, nap);
	px_burn(a, burn);
	px_unlock(a, 0);
	return a;
}

static struct px_actor *add_waiter(struct px *px, int cpu, struct px_attr attr)
{
	struct px_actor *a = actor(px, "waiter", cpu, attr);

	px_wait(a, PX_HELD);
	px_sleep(a, MS(5));
	px_lock(a, 0);
	px_unlock(a, 0);
	px_set(a, PX_STOP);
	return a;
}

static void begin(struct __test_metadata *_metadata, struct px *px)
{
	int i;

	ASSERT_EQ(0, px_start(px));
	for (i = 0; i < px->nr; i++)
		px->actor[i].trace_pid = px->actor[i].pid;
	ASSERT_EQ(0, px_set_flag(px, PX_GO));
}

static void play(struct __test_metadata *_metadata, struct px *px)
{
	begin(_metadata, px);
	ASSERT_EQ(0, px_join(px, 10000));
}

#define EXPECT_EVENTS(golden)						\
	do {								\
		ASSERT_EQ(0, trace_end());				\
		events_of(self->px, self->seen);			\
		if (px_counts(self->px))				\
			EXPECT_STREQ(golden, self->seen);		\
	} while (0)

/* The owner is on the same runqueue. */
TEST_F(events, same_cpu)
{
	struct px *px = self->px;

	add_owner(px, PX_FAIR(0), 0, MS(10));
	add_waiter(px, 1, PX_FIFO(50));
	play(_metadata, px);
	EXPECT_EVENTS("block waiter owner\n"
		      "keep waiter\n"
		      "donate waiter owner 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end owner\n");
}

/* The owner waits for another CPU. */
TEST_F(events, owner_preempted_elsewhere)
{
	struct px *px = self->px;

	add_owner(px, PX_FAIR(19), 0, MS(10));
	px_hog(px, 1, PX_FIFO(10), MS(500));
	add_waiter(px, 2, PX_FIFO(50));
	play(_metadata, px);
	EXPECT_EVENTS("block waiter owner\n"
		      "leave waiter\n"
		      "inject waiter owner\n"
		      "migrate waiter 2 1\n"
		      "donate waiter owner 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end owner\n"
		      "return waiter 1 2\n");
}

/* The owner runs elsewhere and needs no help. */
TEST_F(events, owner_runs_elsewhere)
{
	struct px *px = self->px;

	struct px_actor *kick = px_actor(px, 2, PX_FIFO(60));

	add_owner(px, PX_FAIR(0), 0, MS(10));
	add_waiter(px, 2, PX_FIFO(50));
	/* It would spin for as long as the owner runs. */
	px_wait(kick, PX_HELD);
	px_sleep(kick, MS(6));
	play(_metadata, px);
	EXPECT_EVENTS("block waiter owner\n"
		      "park waiter owner running\n"
		      "pass waiter\n"
		      "unblock waiter unparked\n");
}

/* The owner sleeps, and is behind a hog when it wakes. */
TEST_F(events, owner_sleeps)
{
	struct px *px = self->px;
	struct px_actor *hog = px_actor(px, 1, PX_FIFO(10));

	add_owner(px, PX_FAIR(19), MS(15), MS(10));
	px_wait(hog, PX_HELD);
	px_sleep(hog, MS(8));
	px_burn_until(hog, PX_STOP, MS(500));
	add_waiter(px, 2, PX_FIFO(50));
	play(_metadata, px);
	EXPECT_EVENTS("block waiter owner\n"
		      "park waiter owner asleep\n"
		      "inject waiter owner\n"
		      "migrate waiter 2 1\n"
		      "donate waiter owner 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end owner\n"
		      "return waiter 1 2\n");
}

/* Two locks on one CPU: the walk goes on from the first owner. */
TEST_F(events, chain)
{
	struct px *px = self->px;
	struct px_actor *a;

	add_owner(px, PX_FAIR(0), 0, MS(20));
	a = actor(px, "middle", 1, PX_FIFO(10));
	px_lock(a, 1);
	px_wait(a, PX_HELD);
	px_lock_nested(a, 0, 1);
	px_unlock(a, 0);
	px_unlock(a, 1);
	a = actor(px, "waiter", 1, PX_FIFO(50));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(5));
	px_lock(a, 1);
	px_unlock(a, 1);
	play(_metadata, px);
	EXPECT_EVENTS("block middle owner\n"
		      "keep middle\n"
		      "donate middle owner 1\n"
		      "end owner\n"
		      "block waiter middle\n"
		      "keep waiter\n"
		      "donate waiter owner 2\n"
		      "handoff middle\n"
		      "unblock middle woken\n"
		      "donate waiter middle 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end middle\n");
}

/* The owner waits itself, on yet another CPU, for one that sleeps. */
TEST_F(events, owner_parked)
{
	struct px *px = self->px;
	struct px_actor *a;

	add_owner(px, PX_FAIR(0), MS(15), MS(1));
	a = actor(px, "middle", 2, PX_FAIR(0));
	px_lock(a, 1);
	px_wait(a, PX_HELD);
	px_lock_nested(a, 0, 1);
	px_unlock(a, 0);
	px_unlock(a, 1);
	a = actor(px, "waiter", 3, PX_FIFO(50));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(5));
	px_lock(a, 1);
	px_unlock(a, 1);
	play(_metadata, px);
	EXPECT_EVENTS("block middle owner\n"
		      "park middle owner asleep\n"
		      "block waiter middle\n"
		      "leave waiter\n"
		      "park waiter middle blocked\n"
		      "pass middle\n"
		      "unblock middle unparked\n"
		      "pass waiter\n"
		      "unblock waiter unparked\n");
}

/*
 * The owner's group has used up its 5 ms, and the CPU has nothing else to do: it
 * runs on the waiter's time or not at all.
 */
TEST_F(events, owner_throttled)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, PX_FAIR(0), 0, MS(26));
	struct px_actor *a = actor(px, "waiter", 2, PX_FIFO(50));

	if (px_group_make(GROUP))
		SKIP(return, "no cgroup2 with a cpu controller");
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "5000 900000"));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(12));
	px_lock(a, 0);
	px_unlock(a, 0);
	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, owner->pid));
	play(_metadata, px);
	EXPECT_GE(px_group_stat(GROUP, "nr_throttled "), 1);
	EXPECT_EVENTS("block waiter owner\n"
		      "leave waiter\n"
		      "inject waiter owner\n"
		      "migrate waiter 2 1\n"
		      "donate waiter owner 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end owner\n"
		      "return waiter 1 2\n");
}

/* The owner needs help when it wakes, but the waiter's group has none to give. */
TEST_F(events, waiter_throttled)
{
	struct px *px = self->px;
	struct px_actor *hog = px_actor(px, 1, PX_FIFO(10));
	struct px_actor *mate = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter;

	if (px_group_make(GROUP))
		SKIP(return, "no cgroup2 with a cpu controller");
	ASSERT_EQ(0, px_group_set(GROUP, "cpu.max", "20000 900000"));
	add_owner(px, PX_FAIR(0), MS(60), MS(1));
	waiter = add_waiter(px, 2, PX_FAIR(0));
	px_wait(mate, PX_HELD);
	px_sleep(mate, MS(10));
	px_burn(mate, MS(30));
	px_wait(hog, PX_HELD);
	px_sleep(hog, MS(50));
	px_burn(hog, MS(20));
	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(GROUP, waiter->pid));
	ASSERT_EQ(0, px_group_join(GROUP, mate->pid));
	play(_metadata, px);
	EXPECT_EVENTS("block waiter owner\n"
		      "park waiter owner asleep\n"
		      "park waiter owner throttled\n"
		      "pass waiter\n"
		      "unblock waiter unparked\n");
}

/*
 * Both waiters are put where the owner waits, but do not matter there: it comes
 * before them when the hog is gone, and runs on its own time. The lock is free
 * from then on, because the one that is woken has no CPU at home, when the other
 * one is picked.
 */
static void add_free_lock(struct px *px, int cpu)
{
	struct px_actor *a = px_actor(px, 1, PX_FIFO(60));

	add_owner(px, PX_FIFO(20), MS(15), MS(5));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(12));
	px_burn(a, MS(20));
	a = px_actor(px, 2, PX_FIFO(60));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(12));
	px_burn_until(a, PX_STOP, MS(500));
	a = actor(px, "first", 2, PX_FIFO(5));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(2));
	px_lock(a, 0);
	px_unlock(a, 0);
	add_waiter(px, cpu, PX_FAIR(0));
}

/* It is let run, and takes the lock. */
TEST_F(events, free_lock)
{
	add_free_lock(self->px, 1);
	play(_metadata, self->px);
	EXPECT_EVENTS("block first owner\n"
		      "park first owner asleep\n"
		      "block waiter owner\n"
		      "park waiter owner asleep\n"
		      "inject first owner\n"
		      "migrate first 2 1\n"
		      "inject waiter owner\n"
		      "unblock first woken\n"
		      "return first 1 2\n"
		      "unblock waiter free\n");
}

/* It is not at home there, and leaves to find that out again. */
TEST_F(events, free_lock_away)
{
	add_free_lock(self->px, 3);
	play(_metadata, self->px);
	EXPECT_EVENTS("block first owner\n"
		      "park first owner asleep\n"
		      "block waiter owner\n"
		      "park waiter owner asleep\n"
		      "inject first owner\n"
		      "migrate first 2 1\n"
		      "inject waiter owner\n"
		      "migrate waiter 3 1\n"
		      "unblock first woken\n"
		      "return first 1 2\n"
		      "leave waiter\n"
		      "unblock waiter free\n");
}

/*
 * The owner runs on the time of the last of the chain, at the bound. One more comes,
 * and is put there with the next tick. From there the owner is not to be seen: who
 * waits for it sleeps as ever, and all others are parked, each on the next one.
 */
TEST_F(events, too_deep)
{
	struct px *px = self->px;
	struct tpe_op *lock = NULL;
	struct px_actor *a;
	int i;

	a = actor(px, "owner", 1, PX_FIFO(10));
	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_FLAG + 1);
	px_burn_until(a, PX_HELD, MS(800));
	px_burn(a, MS(10));
	px_unlock(a, 0);
	for (i = 1; i <= DEEP; i++) {
		a = actor(px, i == 1 ? "first" : NULL, 1,
			  PX_FIFO(10 + i));
		px_wait(a, PX_FLAG + i);
		px_lock(a, i);
		px_set(a, PX_FLAG + i + 1);
		lock = px_lock_nested(a, i - 1, 1);
		px_unlock(a, i - 1);
		px_unlock(a, i);
	}
	a->name = "last";
	a = actor(px, "waiter", 1, PX_FIFO(90));
	px_wait(a, PX_HELD);
	px_lock(a, DEEP);
	px_unlock(a, DEEP);
	begin(_metadata, px);
	ASSERT_EQ(0, px_wait_blocked(&px->actor[DEEP], lock, 5000));
	/* How the chain has come about is not what this is about. */
	px_sleep_ms(5);
	ASSERT_EQ(0, trace_clear());
	ASSERT_EQ(0, px_set_flag(px, PX_HELD));
	ASSERT_EQ(0, px_join(px, 10000));

	/* Who has no name of its own here has that of the program. */
	EXPECT_EVENTS("end owner\n"
		      "block waiter last\n"
		      "park waiter last queued\n"
		      "donate last owner 64\n"
		      "inject waiter last\n"
		      "end owner\n"
		      "leave waiter\n"
		      "leave last\n"
		      "degrade first depth\n"
		      "park last events blocked\n"
		      "park waiter last blocked\n"
		      "pass last\n"
		      "unblock last unparked\n"
		      "pass waiter\n"
		      "unblock waiter unparked\n");
}

/* It becomes more important while it is parked. */
TEST_F(events, placed_anew)
{
	struct px *px = self->px;
	struct px_actor *hog = px_actor(px, 1, PX_FIFO(10)), *waiter;

	add_owner(px, PX_FAIR(19), MS(40), MS(10));
	px_wait(hog, PX_HELD);
	px_sleep(hog, MS(30));
	px_burn_until(hog, PX_STOP, MS(500));
	waiter = add_waiter(px, 2, PX_FAIR(19));
	begin(_metadata, px);
	ASSERT_EQ(0, px_wait_blocked(waiter, &waiter->op[2], 3000));
	ASSERT_EQ(0, px_set_attr(waiter->pid, PX_FIFO(50)));
	ASSERT_EQ(0, px_join(px, 10000));
	EXPECT_EVENTS("block waiter owner\n"
		      "park waiter owner asleep\n"
		      "degrade waiter placed_anew\n"
		      "leave waiter\n"
		      "park waiter owner asleep\n"
		      "inject waiter owner\n"
		      "migrate waiter 2 1\n"
		      "donate waiter owner 1\n"
		      "handoff waiter\n"
		      "unblock waiter woken\n"
		      "end owner\n"
		      "return waiter 1 2\n");
}

/* The CPU where the owner runs on the waiter's time goes down. */
TEST_F(events, hotplug)
{
	struct px *px = self->px;
	struct px_actor *owner, *waiter;

	if (access("/sys/devices/system/cpu/cpu1/online", W_OK))
		SKIP(return, "CPU 1 cannot go offline");
	owner = actor(px, "owner", 1, PX_FAIR(0));
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn_until(owner, PX_STOP, MS(5000));
	px_unlock(owner, 0);
	waiter = actor(px, "waiter", 1, PX_FIFO(50));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	px_lock(waiter, 0);
	px_unlock(waiter, 0);
	begin(_metadata, px);
	ASSERT_EQ(0, px_wait_blocked(waiter, &waiter->op[2], 3000));
	px_sleep_ms(5);
	EXPECT_EQ(0, px_online(1, false));
	EXPECT_EQ(0, px_set_flag(px, PX_STOP));
	EXPECT_EQ(0, px_join(px, 10000));
	EXPECT_EQ(0, px_online(1, true));
	EXPECT_EVENTS("block waiter owner\n"
		      "keep waiter\n"
		      "donate waiter owner 1\n"
		      "end owner\n"
		      "degrade waiter hotplug\n");
}

/* Readers hold it: nobody to run. */
TEST_F(events, owner_unknown)
{
	struct px *px = self->px;
	struct px_actor *a = actor(px, "owner", 1, PX_FAIR(0));

	px_wait(a, PX_GO);
	px_op(a, TPE_DOWN_READ, 0, 0);
	px_set(a, PX_HELD);
	px_burn(a, MS(10));
	px_op(a, TPE_UP, 0, 0);
	a = actor(px, "waiter", 1, PX_FIFO(50));
	px_wait(a, PX_HELD);
	px_sleep(a, MS(3));
	px_op(a, TPE_DOWN_WRITE, 0, 0);
	px_op(a, TPE_UP, 0, 0);
	play(_metadata, px);
	EXPECT_EVENTS("block waiter\n"
		      "degrade waiter unknown\n");
}

/* It is told to stop waiting. */
TEST_F(events, killed)
{
	struct px *px = self->px;
	struct px_actor *owner = add_owner(px, PX_FAIR(0), MS(60), MS(1));
	struct px_actor *a = actor(px, "waiter", 2, PX_FIFO(50));
	struct tpe_op *lock;

	px_wait(a, PX_HELD);
	lock = px_lock(a, 0);
	lock->mode = TPE_KILLABLE;
	begin(_metadata, px);
	ASSERT_EQ(0, px_wait_blocked(a, lock, 3000));
	kill(a->pid, SIGKILL);
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, owner->ret);
	EXPECT_EVENTS("block waiter owner\n"
		      "park waiter owner asleep\n"
		      "unblock waiter unparked\n");
}

/* Two tasks of one CPU wait for each other, until one is killed. */
TEST_F(events, cycle)
{
	struct px *px = self->px;
	struct px_actor *a[2];
	struct tpe_op *op[2];
	int i;

	for (i = 0; i < 2; i++) {
		a[i] = actor(px, i ? "two" : "one", 1, PX_FAIR(0));
		px_wait(a[i], PX_GO);
		px_lock(a[i], i);
		px_set(a[i], PX_FLAG + i);
		px_burn_until(a[i], PX_FLAG + !i, MS(5000));
		op[i] = px_lock_nested(a[i], !i, 1);
		op[i]->mode = TPE_KILLABLE;
		px_unlock(a[i], !i);
		px_unlock(a[i], i);
	}
	begin(_metadata, px);
	ASSERT_EQ(0, px_wait_blocked(a[0], op[0], 3000));
	ASSERT_EQ(0, px_wait_blocked(a[1], op[1], 3000));
	px_sleep_ms(5);
	ASSERT_EQ(0, trace_end());
	kill(a[0]->pid, SIGKILL);
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_NE(NULL, strstr(text, ": sched_proxy_cycle: "));
	EXPECT_NE(NULL, strstr(text, "reason=cycle"));
}

/* --- as many as were counted -------------------------------------------- */

static const struct {
	const char *counter;
	const char *event;
	const char *words;
} counted[] = {
	{ "kept",		"keep",		NULL },
	{ "donations",		"donate",	NULL },
	{ "depth_1",		"donate",	"depth=1" },
	{ "depth_2",		"donate",	"depth=2" },
	{ "unblocked",		"unblock",	"why=free" },
	{ "woken",		"unblock",	"why=woken" },
	{ "parked_asleep",	"park",		"why=asleep" },
	{ "parked_running",	"park",		"why=running" },
	{ "parked_blocked",	"park",		"why=blocked" },
	{ "parked_queued",	"park",		"why=queued" },
	{ "parked_migrating",	"park",		"why=migrating" },
	{ "injected",		"inject",	NULL },
	{ "migrated",		"migrate",	NULL },
	{ "returned",		"return",	NULL },
	{ "handoffs",		"handoff",	NULL },
	{ "reparked",		"pass",		NULL },
	{ "placed_anew",	"degrade",	"reason=placed_anew" },
	{ "throttled",		"park",		"why=throttled" },
	{ "degraded_unknown",	"degrade",	"reason=unknown" },
	{ "degraded_depth",	"degrade",	"reason=depth" },
	{ "degraded_cycle",	"degrade",	"reason=cycle" },
	{ "degraded_attr",	"degrade",	"reason=attr" },
	{ "degraded_hotplug",	"degrade",	"reason=hotplug" },
	{ "degraded_exiting",	"degrade",	"reason=exiting" },
	{ "degraded_busy",	"degrade",	"reason=busy" },
	{ "degraded_off",	"degrade",	"reason=off" },
};

/* Also adds up the depth of donations in @hops. */
static long long count_events(const char *event, const char *words,
			      long long *hops)
{
	char name[64], value[16];
	long long n = 0;
	const char *at;

	snprintf(name, sizeof(name), ": sched_proxy_%s: ", event);
	for (at = strstr(text, name); at; at = strstr(at, name)) {
		const char *end = strchrnul(at, '\n');
		const char *found = words ? strstr(at, words) : at;

		at += strlen(name) - 1;
		if (!found || found > end)
			continue;
		/* depth=1 is not depth=16. */
		if (words && !strchr("\n ", found[strlen(words)]))
			continue;
		n++;
		if (hops && value_of(at, "depth", value, sizeof(value)))
			*hops += atoll(value);
	}
	return n;
}

/* Locks in locks and naps, on all CPUs */
static void add_storm(struct px *px)
{
	static const struct px_attr attr[] = {
		PX_FAIR(0), PX_FAIR(19), PX_FAIR(-10), PX_FIFO(10), PX_IDLE,
		PX_RR(20), PX_FAIR(5), PX_FIFO(30),
	};
	unsigned int i, j;

	for (i = 0; i < 12; i++) {
		struct px_actor *a = actor(px, "storm", i % 4,
					   attr[i % ARRAY_SIZE(attr)]);

		px_wait(a, PX_GO);
		for (j = 0; j < 3; j++) {
			uint32_t low = (i + j) % 3, high = 3 + (i * j) % 3;

			px_lock(a, low);
			px_burn(a, US(50 + 40 * j));
			px_lock_nested(a, high, 1);
			if ((i + j) & 1)
				px_sleep(a, US(100 + 30 * i));
			px_burn(a, US(30 + 20 * i));
			px_unlock(a, high);
			px_unlock(a, low);
			px_sleep(a, US(50));
		}
		px_op(a, TPE_LOOP, 1, 20);
		px_set(a, PX_FLAG + i);
		px_wait(a, PX_STOP);
	}
}

TEST_F(events, add_up)
{
	long long hops = 0, given = 0, received = 0, donated = 0, helped = 0;
	long long before[ARRAY_SIZE(counted)], hops_before, value;
	struct px *px = self->px;
	unsigned int i;
	int j;

	add_storm(px);
	ASSERT_EQ(0, px_start(px));
	for (i = 0; i < ARRAY_SIZE(counted); i++)
		before[i] = px_stat(counted[i].counter);
	hops_before = px_stat("hops");
	ASSERT_EQ(0, px_set_flag(px, PX_GO));
	for (j = 0; j < px->nr; j++) {
		struct px_actor *a = &px->actor[j];

		/* In its last operation */
		for (i = 0; px_pc(a) != a->nr && i < 20000; i++)
			px_sleep_ms(1);
		ASSERT_EQ(a->nr, px_pc(a));
	}
	px_sleep_ms(5);
	for (j = 0; j < px->nr; j++) {
		pid_t pid = px->actor[j].pid;

		given += px_sched(pid, "proxy.time_given_ns");
		received += px_sched(pid, "proxy.time_received_ns");
		donated += px_sched(pid, "proxy.nr_donated");
		helped += px_sched(pid, "proxy.nr_helped");
	}
	ASSERT_EQ(0, trace_end());
	EXPECT_EQ(NULL, strstr(text, "LOST"));
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		bool all = !strcmp(counted[i].counter, "donations");

		value = px_stat(counted[i].counter) - before[i];
		EXPECT_EQ(value, count_events(counted[i].event, counted[i].words,
					      all ? &hops : NULL)) {
			TH_LOG("%s", counted[i].counter);
		}
		if (all && px->on)
			EXPECT_GT(value, 0);
		if (all) {
			/* Others can have had to wait for a lock, too. */
			EXPECT_LE(donated, value);
			EXPECT_GE(donated, value * 9 / 10);
		}
	}
	EXPECT_EQ(px_stat("hops") - hops_before, hops);
	/* To the nanosecond, from whom to whom */
	EXPECT_EQ(given, received);
	EXPECT_EQ(donated, helped);
	TH_LOG("%lld donations, %lld us given", donated, given / 1000);
	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	ASSERT_EQ(0, px_join(px, 5000));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
