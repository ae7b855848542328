// SPDX-License-Identifier: GPL-2.0
/*
 * What user space is told about tasks that wait: the chains in debugfs,
 * /proc/PID/sched, sysrq-w; and the switch that turns
 * proxy execution off and on again on a live system.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define DEBUGFS		"/sys/kernel/debug/sched/proxy_exec"
#define CHAINS		(256 * 1024)

/* The storm of the switch: the longer, the better the chance to hit a race. */
static unsigned int flip_ms(void)
{
	const char *env = getenv("PROXY_EXEC_FLIP_MS");

	return env ? strtoul(env, NULL, 10) : 5000;
}

/* waiter -> lock 1 -> middle -> lock 0 -> owner */
struct chain {
	struct px_actor *owner, *middle, *waiter;
	struct tpe_op *middle_lock, *waiter_lock;
};

FIXTURE(observe)
{
	struct px *px;
};

FIXTURE_SETUP(observe)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
}

FIXTURE_TEARDOWN(observe)
{
	if (self->px->on)
		EXPECT_GE(px_write(DEBUGFS "/enabled", "1"), 0);
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

/* The owner burns CPU time, or it sleeps. */
static void make_chain(struct __test_metadata *_metadata, struct px *px,
		       struct chain *c, bool burns)
{
	struct px_actor *a = px_actor(px, 1, PX_FAIR(0));

	c->owner = a;
	a->name = "owner";
	px_wait(a, PX_GO);
	px_lock(a, 0);
	px_set(a, PX_HELD);
	if (burns)
		px_burn_until(a, PX_STOP, MS(8000));
	else
		px_wait(a, PX_STOP);
	px_unlock(a, 0);

	a = px_actor(px, 1, PX_FAIR(0));
	c->middle = a;
	a->name = "middle";
	px_lock(a, 1);
	px_wait(a, PX_HELD);
	c->middle_lock = px_lock_nested(a, 0, 1);
	px_unlock(a, 0);
	px_unlock(a, 1);

	a = px_actor(px, 2, PX_FAIR(0));
	c->waiter = a;
	a->name = "waiter";
	px_wait(a, PX_HELD);
	px_sleep(a, MS(5));
	c->waiter_lock = px_lock(a, 1);
	px_unlock(a, 1);

	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(c->middle, c->middle_lock, 3000));
	ASSERT_EQ(0, px_wait_blocked(c->waiter, c->waiter_lock, 3000));
	px_sleep_ms(5);
}

static void end_chain(struct __test_metadata *_metadata, struct px *px,
		      struct chain *c)
{
	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, c->waiter_lock->ret);
	EXPECT_EQ(0, c->middle_lock->ret);
}

/* The line of @text that begins with @name/@pid, and where it goes on */
static char *line_of(char *text, const char *name, pid_t pid)
{
	char head[64], *line;

	snprintf(head, sizeof(head), "%s/%d [", name, pid);
	for (line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, head, strlen(head)))
			return line;
	}
	return NULL;
}

/* Is the chain in the order of @pid, with a lock between any two? */
static bool is_chain(char *line, const char * const *name, const pid_t *pid,
		     int nr)
{
	char link[64], *end = strchrnul(line, '\n'), *at = line;
	int i;

	for (i = 0; i < nr; i++) {
		snprintf(link, sizeof(link), "%s/%d [", name[i], pid[i]);
		at = strstr(at, link);
		if (!at || at > end)
			return false;
		at += strlen(link);
		if (i + 1 < nr && strncmp(strchr(at, ']'), "] -> mutex ", 11))
			return false;
	}
	/* The last one waits for nothing. */
	return strchr(at, ']') + 1 == end;
}

static void chain_is_shown(struct __test_metadata *_metadata, struct px *px,
			   bool burns)
{
	static const char * const name[] = { "waiter", "middle", "owner" };
	char *text = malloc(CHAINS), *line;
	struct chain c;
	pid_t pid[3];

	ASSERT_NE(NULL, text);
	make_chain(_metadata, px, &c, burns);
	pid[0] = c.waiter->pid;
	pid[1] = c.middle->pid;
	pid[2] = c.owner->pid;
	ASSERT_GT(px_read(DEBUGFS "/chains", text, CHAINS), 0);
	line = line_of(text, "waiter", pid[0]);
	ASSERT_NE(NULL, line) {
		TH_LOG("%s", text);
	}
	EXPECT_TRUE(is_chain(line, name, pid, 3)) {
		TH_LOG("%s", line);
	}
	line = line_of(text, "middle", pid[1]);
	ASSERT_NE(NULL, line);
	EXPECT_TRUE(is_chain(line, name + 1, pid + 1, 2));
	EXPECT_EQ(NULL, line_of(text, "owner", pid[2]));

	EXPECT_EQ(pid[1], px_sched(pid[0], "proxy.blocked_owner"));
	EXPECT_EQ(pid[2], px_sched(pid[1], "proxy.blocked_owner"));
	EXPECT_EQ(-1, px_sched(pid[2], "proxy.blocked_owner"));
	end_chain(_metadata, px, &c);
	free(text);
}

TEST_F(observe, chain_behind_runner)
{
	chain_is_shown(_metadata, self->px, true);
}

TEST_F(observe, chain_behind_sleeper)
{
	chain_is_shown(_metadata, self->px, false);
}

/* A deadlock is a chain without an end. */
TEST_F(observe, chain_is_a_cycle)
{
	struct px *px = self->px;
	struct tpe_op *op[2];
	char *text = malloc(CHAINS), *line;
	int i;

	ASSERT_NE(NULL, text);
	for (i = 0; i < 2; i++) {
		struct px_actor *a = px_actor(px, 1, PX_FAIR(0));

		a->name = i ? "two" : "one";
		px_wait(a, PX_GO);
		px_lock(a, i);
		px_set(a, PX_FLAG + i);
		px_burn_until(a, PX_FLAG + !i, MS(5000));
		op[i] = px_lock_nested(a, !i, 1);
		op[i]->mode = TPE_KILLABLE;
		px_unlock(a, !i);
		px_unlock(a, i);
	}
	ASSERT_EQ(0, px_go(px));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, px_wait_blocked(&px->actor[i], op[i], 3000));
	px_sleep_ms(5);
	ASSERT_GT(px_read(DEBUGFS "/chains", text, CHAINS), 0);
	line = line_of(text, "one", px->actor[0].pid);
	ASSERT_NE(NULL, line);
	*strchrnul(line, '\n') = '\0';
	EXPECT_NE(NULL, strstr(line, "itself: deadlock"));
	kill(px->actor[0].pid, SIGKILL);
	ASSERT_EQ(0, px_join(px, 5000));
	free(text);
}

/* Who has paid, and who was helped */
TEST_F(observe, time_of_tasks)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *waiter = px_actor(px, 2, PX_FIFO(50));
	long long given, received;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn(owner, MS(20));
	px_unlock(owner, 0);
	px_wait(owner, PX_FLAG);
	px_hog(px, 1, PX_FIFO(10), MS(500));
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(5));
	px_lock(waiter, 0);
	px_unlock(waiter, 0);
	px_set(waiter, PX_STOP);
	px_wait(waiter, PX_FLAG);
	ASSERT_EQ(0, px_go(px));
	while (px_pc(owner) < owner->nr || px_pc(waiter) < waiter->nr)
		px_sleep_ms(1);
	px_sleep_ms(5);

	given = px_sched(waiter->pid, "proxy.time_given_ns");
	received = px_sched(owner->pid, "proxy.time_received_ns");
	EXPECT_EQ(given, received);
	EXPECT_EQ(0, px_sched(waiter->pid, "proxy.time_received_ns"));
	EXPECT_EQ(0, px_sched(owner->pid, "proxy.time_given_ns"));
	EXPECT_EQ(px_sched(waiter->pid, "proxy.nr_donated"),
		  px_sched(owner->pid, "proxy.nr_helped"));
	if (px->on && px_timing()) {
		EXPECT_GT(given, MS(10));
		EXPECT_LT(given, MS(40));
	}
	/* While it does not wait for a lock nothing is said of one. */
	EXPECT_EQ(-1, px_sched(waiter->pid, "proxy.blocked_owner"));
	ASSERT_EQ(0, px_set_flag(px, PX_FLAG));
	ASSERT_EQ(0, px_join(px, 5000));
}

/* --- reports ------------------------------------------------------------ */

TEST_F(observe, sysrq_w)
{
	struct chain c;

	make_chain(_metadata, self->px, &c, false);
	ASSERT_GE(px_write("/proc/sysrq-trigger", "w"), 0);
	px_sleep_ms(50);
	EXPECT_TRUE(px_reported(self->px, "waiter", c.waiter, "middle",
				c.middle));
	EXPECT_TRUE(px_reported(self->px, "middle", c.middle, "owner",
				c.owner));
	end_chain(_metadata, self->px, &c);
}

/* --- the switch --------------------------------------------------------- */

#define STORM	14

static void add_storm(struct px *px)
{
	static const struct px_attr attr[] = {
		PX_FAIR(0), PX_FAIR(19), PX_FAIR(-10), PX_FIFO(10), PX_IDLE,
		PX_RR(20), PX_FAIR(5),
	};
	unsigned int i, j;

	for (i = 0; i < STORM; i++) {
		struct px_actor *a = px_actor(px, i & 1 ? (int)(i / 2) % 4 : -1,
					      attr[i % ARRAY_SIZE(attr)]);

		px_wait(a, PX_GO);
		for (j = 0; j < 3; j++) {
			uint32_t low = (i + j) % 3, high = 3 + (i * j) % 3;
			struct tpe_op *op;

			px_lock(a, low)->mode = TPE_KILLABLE;
			px_burn(a, US(20 + 30 * j));
			op = px_lock_nested(a, high, 1);
			op->mode = (i + j) % 3 ? TPE_KILLABLE : TPE_UNINTERRUPTIBLE;
			if ((i + j) & 1)
				px_sleep(a, US(100 + 30 * i));
			px_burn(a, US(10 * i));
			px_unlock(a, high);
			if (j == 1) {
				op = px_op(a, i % 3 ? TPE_DOWN_WRITE :
						      TPE_DOWN_READ, 0, 0);
				op->subclass = 1;
				px_burn(a, US(40));
				px_op(a, TPE_UP, 0, 0);
			}
			px_unlock(a, low);
			px_sleep(a, US(20 * i));
		}
		px_op(a, TPE_LOOP, 1, 100000000);
	}
}

/* Everybody gets on. */
static void expect_progress(struct __test_metadata *_metadata, struct px *px,
			    int ms)
{
	uint64_t before[STORM], end = px_now() + MS(ms);
	int i;

	for (i = 0; i < px->nr; i++)
		before[i] = px_burned(&px->actor[i]);
	for (i = 0; i < px->nr; i++) {
		while (px_burned(&px->actor[i]) == before[i] && px_now() < end)
			px_sleep_ms(1);
		EXPECT_GT(px_burned(&px->actor[i]), before[i]) {
			TH_LOG("task %d stands still", i);
		}
	}
}

TEST_F_TIMEOUT(observe, switch_under_load, 600)
{
	struct px *px = self->px;
	long long donations, off;
	unsigned int flips = 0;
	uint64_t end;

	if (!px->on)
		SKIP(return, "proxy execution is off");
	add_storm(px);
	ASSERT_EQ(0, px_go(px));
	end = px_now() + MS(flip_ms());
	while (px_now() < end) {
		ASSERT_GE(px_write(DEBUGFS "/enabled", flips++ & 1 ? "1" : "0"), 0);
		px_sleep_ms(1 + flips % 4);
	}
	expect_progress(_metadata, px, 5000);

	/* Off: nobody donates, and those who did have been let go. */
	ASSERT_GE(px_write(DEBUGFS "/enabled", "0"), 0);
	EXPECT_FALSE(px_enabled());
	px_sleep_ms(20);
	donations = px_stat("donations");
	off = px_stat("kept");
	px_sleep_ms(200);
	EXPECT_EQ(donations, px_stat("donations"));
	EXPECT_EQ(off, px_stat("kept"));
	expect_progress(_metadata, px, 5000);

	/* And on again */
	ASSERT_GE(px_write(DEBUGFS "/enabled", "1"), 0);
	EXPECT_TRUE(px_enabled());
	px_sleep_ms(200);
	EXPECT_GT(px_stat("donations"), donations);
	expect_progress(_metadata, px, 5000);
	TH_LOG("%u times, %lld let go", flips, px_delta(px, "degraded_off"));
}

/* An owner that runs for another goes on for itself. */
TEST_F(observe, switch_ends_donation)
{
	struct px *px = self->px;
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(0));
	struct px_actor *waiter = px_actor(px, 1, PX_FIFO(50));
	struct tpe_op *lock;
	long long given;

	if (!px->on)
		SKIP(return, "proxy execution is off");
	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_set(owner, PX_HELD);
	px_burn_until(owner, PX_STOP, MS(5000));
	px_unlock(owner, 0);
	px_wait(waiter, PX_HELD);
	px_sleep(waiter, MS(2));
	lock = px_lock(waiter, 0);
	px_unlock(waiter, 0);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(waiter, lock, 3000));
	px_sleep_ms(20);
	EXPECT_GT(px_sched(waiter->pid, "proxy.time_given_ns"), 0);
	ASSERT_GE(px_write(DEBUGFS "/enabled", "0"), 0);
	px_sleep_ms(5);
	given = px_sched(waiter->pid, "proxy.time_given_ns");
	px_sleep_ms(50);
	EXPECT_EQ(given, px_sched(waiter->pid, "proxy.time_given_ns"));
	EXPECT_TRUE(px_blocked(waiter, lock));
	EXPECT_GT(px_delta(px, "degraded_off"), 0);
	ASSERT_EQ(0, px_set_flag(px, PX_STOP));
	ASSERT_EQ(0, px_join(px, 5000));
	EXPECT_EQ(0, lock->ret);
}

TEST_F(observe, switch_takes_nothing_else)
{
	if (!self->px->on)
		SKIP(return, "proxy execution is off");
	EXPECT_EQ(-EINVAL, px_write(DEBUGFS "/enabled", "maybe"));
	EXPECT_TRUE(px_enabled());
}

/* The chains, read while they change all the time */
TEST_F(observe, chains_under_load)
{
	struct px *px = self->px;
	char *text = malloc(CHAINS), *line, *save;
	unsigned int reads = 0, lines = 0;
	uint64_t end;

	ASSERT_NE(NULL, text);
	add_storm(px);
	ASSERT_EQ(0, px_go(px));
	end = px_now() + MS(1500);
	while (px_now() < end) {
		ASSERT_GE(px_read(DEBUGFS "/chains", text, CHAINS), 0);
		reads++;
		save = NULL;
		for (line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			lines++;
			EXPECT_NE(NULL, strstr(line, " -> ")) {
				TH_LOG("%s", line);
			}
		}
	}
	EXPECT_GT(lines, 0);
	expect_progress(_metadata, px, 5000);
	TH_LOG("%u reads, %u chains", reads, lines);
	free(text);
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
