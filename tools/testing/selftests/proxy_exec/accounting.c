// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays what while an owner runs on a donor's time [I4, H36-H42]: the time
 * a task ran is the owner's, what the scheduler decides by is the donor's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "proxy_util.h"

#define SECTION_MS	200
#define WINDOW_MS	100
#define BURSTS		100
#define BURST		US(400)		/* shorter than a tick */

FIXTURE(accounting)
{
	struct px *px;
};

FIXTURE_SETUP(accounting)
{
	self->px = px_open();
	ASSERT_NE(NULL, self->px);
	if (!self->px->on)
		SKIP(return, "nothing is donated");
	if (!px_timing())
		SKIP(return, "needs a guest with exact time");
}

FIXTURE_TEARDOWN(accounting)
{
	EXPECT_EQ(NULL, px_splat(self->px));
	EXPECT_EQ(0, px_close(self->px));
}

struct scene {
	struct px_actor *owner;
	struct px_actor *donor;
	struct tpe_op *lock;
};

static void set_scene_cpus(struct px *px, struct scene *s, struct px_attr owner,
			   struct px_attr donor, int cpu)
{
	s->owner = px_actor(px, 1, owner);
	px_wait(s->owner, PX_GO);
	px_lock(s->owner, 0);
	px_set(s->owner, PX_HELD);
	px_burn(s->owner, MS(SECTION_MS));
	px_unlock(s->owner, 0);

	s->donor = px_actor(px, cpu, donor);
	px_wait(s->donor, PX_HELD);
	px_sleep(s->donor, MS(5));
	s->lock = px_lock(s->donor, 0);
	s->lock->watch = s->owner->slot;
	px_set(s->donor, PX_STOP);
	px_unlock(s->donor, 0);
}

static void set_scene(struct px *px, struct scene *s, struct px_attr owner,
		      struct px_attr donor)
{
	set_scene_cpus(px, s, owner, donor, 1);
}

static int until_blocked(struct px *px, struct scene *s)
{
	return px_go(px) ?: px_wait_blocked(s->donor, s->lock, 3000);
}

struct sample {
	uint64_t now;
	long long exec;
	long long vruntime;
	long long dl_runtime;
	long long clock;
	long ticks;
};

static long long task_clock(pid_t pid)
{
	struct timespec ts;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &ts))
		return -1;
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static struct sample sample(struct px_actor *a)
{
	return (struct sample){
		.now = px_now(),
		.exec = px_sched(a->pid, "se.sum_exec_runtime"),
		.vruntime = px_sched(a->pid, "se.vruntime"),
		.dl_runtime = px_sched(a->pid, "dl.runtime"),
		.clock = task_clock(a->pid),
		.ticks = px_ticks(a->pid),
	};
}

struct window {
	struct sample owner, donor;
	long long wall;
};

/* What changes for both within WINDOW_MS. */
static struct window window(struct scene *s)
{
	struct sample o = sample(s->owner), d = sample(s->donor);
	struct window w;

	px_sleep_ms(WINDOW_MS);
	w.owner = sample(s->owner);
	w.donor = sample(s->donor);
	w.wall = w.owner.now - o.now;
	w.owner.exec -= o.exec;
	w.owner.vruntime -= o.vruntime;
	w.owner.clock -= o.clock;
	w.owner.ticks -= o.ticks;
	w.donor.exec -= d.exec;
	w.donor.vruntime -= d.vruntime;
	w.donor.clock -= d.clock;
	w.donor.ticks -= d.ticks;
	w.donor.dl_runtime -= d.dl_runtime;
	return w;
}

#define percent(part, of)	((part) * 100 / (of))

/* A FIFO donor: everything shown to user space is the owner's (H37). */
TEST_F(accounting, time_is_the_owners)
{
	struct px *px = self->px;
	struct scene s;
	struct window w;
	long hz = sysconf(_SC_CLK_TCK);

	set_scene(px, &s, PX_FAIR(19), PX_FIFO(50));
	px_hog(px, 1, PX_FAIR(0), MS(1000));
	ASSERT_EQ(0, until_blocked(px, &s));
	w = window(&s);
	ASSERT_EQ(0, px_join(px, 5000));

	TH_LOG("wall %lld us", w.wall / 1000);
	TH_LOG("owner: exec %lld us, clock %lld us, ticks %ld",
	       w.owner.exec / 1000, w.owner.clock / 1000, w.owner.ticks);
	TH_LOG("donor: exec %lld us, clock %lld us, ticks %ld",
	       w.donor.exec / 1000, w.donor.clock / 1000, w.donor.ticks);
	EXPECT_GE(percent(w.owner.exec, w.wall), 90);
	EXPECT_LE(percent(w.owner.exec, w.wall), 105);
	EXPECT_GE(percent(w.owner.clock, w.wall), 90);
	EXPECT_GE(w.owner.ticks, WINDOW_MS * hz / 1000 * 8 / 10);
	EXPECT_EQ(0, w.donor.exec);
	EXPECT_EQ(0, w.donor.clock);
	EXPECT_EQ(0, w.donor.ticks);
	/* Not even the fair share of the owner is used meanwhile. */
	EXPECT_LE(percent(w.owner.vruntime, w.wall), 5);
}

/* Microseconds in which somebody of the group has waited for a CPU */
static long long group_pressure(const char *group)
{
	char path[128], text[512], *total;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cpu.pressure", group);
	if (px_read(path, text, sizeof(text)) < 0)
		return -1;
	total = strstr(text, "total=");
	return total ? atoll(total + strlen("total=")) : -1;
}

/*
 * Sends the signal, which is blocked, when the process has used so much more
 * time. Without a signal nobody would sum up while the process runs.
 */
static int cpu_timer(pid_t pid, long ns, int signo, timer_t *timer)
{
	struct itimerspec value = { .it_value.tv_nsec = ns };
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo,
	};
	clockid_t id;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (clock_getcpuclockid(pid, &id) || timer_create(id, &event, timer))
		return -errno;
	return timer_settime(*timer, 0, &value, NULL) ? -errno : 0;
}

static bool cpu_timer_fired(int signo)
{
	sigset_t set;

	return !sigpending(&set) && sigismember(&set, signo);
}

/*
 * What is known of a group of tasks, or of the threads of a process, is about
 * those that ran (H37). And a donor does not wait for a CPU.
 */
static void groups(struct __test_metadata *_metadata, struct px *px, int cpu)
{
	static const char * const group[] = { "px_owners", "px_donors" };
	timer_t owners_timer, donors_timer;
	long long pressure, usage[2];
	struct scene s;
	struct window w;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, px_group_make(group[i]));
	set_scene_cpus(px, &s, PX_FAIR(0), PX_FAIR(0), cpu);
	px_hog(px, 1, PX_FAIR(0), MS(1000));
	ASSERT_EQ(0, px_start(px));
	ASSERT_EQ(0, px_group_join(group[0], s.owner->pid));
	ASSERT_EQ(0, px_group_join(group[1], s.donor->pid));
	ASSERT_EQ(0, until_blocked(px, &s));
	px_sleep_ms(10);

	ASSERT_EQ(0, cpu_timer(s.owner->pid, MS(20), SIGUSR1, &owners_timer));
	ASSERT_EQ(0, cpu_timer(s.donor->pid, MS(20), SIGUSR2, &donors_timer));
	pressure = group_pressure(group[1]);
	ASSERT_GE(pressure, 0);
	for (i = 0; i < 2; i++)
		usage[i] = px_group_stat(group[i], "usage_usec ");
	w = window(&s);
	for (i = 0; i < 2; i++)
		usage[i] = px_group_stat(group[i], "usage_usec ") - usage[i];
	pressure = group_pressure(group[1]) - pressure;
	ASSERT_EQ(0, px_join(px, 5000));
	/* They fire when the process returns to user space. */
	EXPECT_TRUE(cpu_timer_fired(SIGUSR1));
	EXPECT_FALSE(cpu_timer_fired(SIGUSR2));
	timer_delete(owners_timer);
	timer_delete(donors_timer);

	TH_LOG("owner: exec %lld us, group %lld us", w.owner.exec / 1000, usage[0]);
	TH_LOG("donor: exec %lld us, group %lld us, pressure %lld us",
	       w.donor.exec / 1000, usage[1], pressure);
	EXPECT_GE(w.owner.exec, MS(WINDOW_MS) / 3);
	EXPECT_GE(percent(usage[0] * 1000, w.owner.exec), 95);
	EXPECT_LE(percent(usage[0] * 1000, w.owner.exec), 110);
	EXPECT_EQ(0, usage[1]);
	EXPECT_LE(pressure, 1000);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, px_group_remove(group[i]));
}

TEST_F(accounting, groups_same_cpu)
{
	groups(_metadata, self->px, 1);
}

TEST_F(accounting, groups_other_cpu)
{
	groups(_metadata, self->px, 2);
}

/* A fair donor is the one who loses its place in the queue. */
TEST_F(accounting, vruntime_is_the_donors)
{
	struct px *px = self->px;
	struct scene s;
	struct window w;

	set_scene(px, &s, PX_FAIR(19), PX_FAIR(0));
	ASSERT_EQ(0, until_blocked(px, &s));
	w = window(&s);
	ASSERT_EQ(0, px_join(px, 5000));

	TH_LOG("wall %lld us", w.wall / 1000);
	TH_LOG("owner: vruntime %lld us, exec %lld us",
	       w.owner.vruntime / 1000, w.owner.exec / 1000);
	TH_LOG("donor: vruntime %lld us, exec %lld us",
	       w.donor.vruntime / 1000, w.donor.exec / 1000);
	EXPECT_GE(percent(w.donor.vruntime, w.wall), 85);
	EXPECT_LE(percent(w.donor.vruntime, w.wall), 110);
	EXPECT_EQ(0, w.donor.exec);
	EXPECT_GE(percent(w.owner.exec, w.wall), 90);
	/* Its own weight of 15 would give 6800 for the whole window. */
	EXPECT_LE(percent(w.owner.vruntime, w.wall), 400);
}

/* Nothing is charged twice and nothing is lost. */
TEST_F(accounting, sum_is_the_wall_clock)
{
	struct px *px = self->px;
	struct px_actor *hog;
	struct scene s;
	struct window w;
	long long before, sum;

	set_scene(px, &s, PX_FAIR(19), PX_FAIR(0));
	hog = px_hog(px, 1, PX_FAIR(0), MS(1000));
	ASSERT_EQ(0, until_blocked(px, &s));
	before = px_sched(hog->pid, "se.sum_exec_runtime");
	w = window(&s);
	sum = w.owner.exec + w.donor.exec +
	      px_sched(hog->pid, "se.sum_exec_runtime") - before;
	ASSERT_EQ(0, px_join(px, 5000));

	TH_LOG("wall %lld us, sum %lld us, owner %lld us", w.wall / 1000,
	       sum / 1000, w.owner.exec / 1000);
	EXPECT_GE(percent(sum, w.wall), 93);
	EXPECT_LE(percent(sum, w.wall), 107);
	/* Half the CPU, the share of the donor against one hog. */
	EXPECT_GE(percent(w.owner.exec, w.wall), 35);
	EXPECT_LE(percent(w.owner.exec, w.wall), 65);
}

/* What was added to exec and clock since @before, next to what was burned. */
static struct sample used(struct __test_metadata *_metadata,
			  struct px_actor *a, struct sample before)
{
	long long burned = px_burned(a);
	struct sample s = sample(a);

	s.exec -= before.exec;
	s.clock -= before.clock;
	TH_LOG("%d burned %lld us, exec %lld us, clock %lld us", a->slot,
	       burned / 1000, s.exec / 1000, s.clock / 1000);
	EXPECT_GE(percent(s.exec, burned), 95);
	EXPECT_EQ(s.exec, s.clock);
	return s;
}

/*
 * Donor and owner take turns between two ticks. The donor blocks and is picked
 * again, so that the class sees no change: what ran until then must be settled
 * all the same, or it is credited to the owner (H37).
 */
static void short_bursts(struct __test_metadata *_metadata, struct px *px,
			 struct px_attr attr)
{
	struct px_actor *owner = px_actor(px, 1, PX_FAIR(19));
	struct px_actor *donor = px_actor(px, 1, attr);
	long long share, burned;
	struct sample o, d;
	struct tpe_op *rest;

	px_wait(owner, PX_GO);
	px_lock(owner, 0);
	px_burn(owner, BURST);
	px_unlock(owner, 0);
	px_op(owner, TPE_LOOP, 1, BURSTS + 9);
	rest = px_wait(owner, PX_STOP);

	px_wait(donor, PX_GO);
	/* The owner gets its lock meanwhile. */
	px_sleep(donor, US(100));
	px_burn(donor, BURST);
	px_lock(donor, 0);
	px_unlock(donor, 0);
	px_op(donor, TPE_LOOP, 1, BURSTS - 1);
	px_wait(donor, PX_STOP);

	ASSERT_EQ(0, px_start(px));
	o = sample(owner);
	d = sample(donor);
	ASSERT_EQ(0, px_go(px));
	ASSERT_EQ(0, px_wait_blocked(owner, rest, 5000));
	EXPECT_GE(px_delta(px, "donations"), BURSTS * 9 / 10);
	EXPECT_GE(px_burned(donor), BURSTS * BURST);
	o = used(_metadata, owner, o);
	d = used(_metadata, donor, d);
	/* Both have the same overhead, which varies with the kernel. */
	share = percent(d.exec, d.exec + o.exec);
	burned = px_burned(donor);
	burned = percent(burned, burned + (long long)px_burned(owner));
	TH_LOG("donor burned %lld %%, was credited %lld %%", burned, share);
	EXPECT_LE(llabs(share - burned), 8);
	px_set_flag(px, PX_STOP);
	ASSERT_EQ(0, px_join(px, 5000));
}

TEST_F(accounting, short_bursts_fifo)
{
	short_bursts(_metadata, self->px, PX_FIFO(50));
}

TEST_F(accounting, short_bursts_deadline)
{
	ASSERT_EQ(0, px_dl_begin(self->px));
	short_bursts(_metadata, self->px, PX_DL(MS(99), MS(100)));
}

/* The budget of a deadline donor is spent, and when it is gone it is gone. */
TEST_F(accounting, deadline_budget)
{
	struct px *px = self->px;
	struct scene s;
	uint64_t burned, start;
	long long left, spent;

	ASSERT_EQ(0, px_dl_begin(px));
	/* The first 60 ms of every second are the donor's. */
	set_scene(px, &s, PX_FAIR(19), PX_DL(MS(60), MS(1000)));
	px_hog(px, 1, PX_FAIR(0), MS(2000));
	ASSERT_EQ(0, until_blocked(px, &s));

	start = px_now();
	left = px_sched(s.donor->pid, "dl.runtime");
	burned = px_burned(s.owner);
	px_sleep_ms(20);
	spent = left - px_sched(s.donor->pid, "dl.runtime");
	start = px_now() - start;
	burned = px_burned(s.owner) - burned;
	TH_LOG("in %llu us: owner burned %llu us, donor's budget shrank by %lld us",
	       (unsigned long long)start / 1000,
	       (unsigned long long)burned / 1000, spent / 1000);
	EXPECT_GE(percent(spent, (long long)start), 85);
	EXPECT_LE(percent(spent, (long long)start), 115);
	EXPECT_GE(percent(burned, start), 85);

	/* Throttled after 60 ms: the owner is back at its own weight. */
	px_sleep_ms(100);
	burned = px_burned(s.owner);
	px_sleep_ms(200);
	burned = px_burned(s.owner) - burned;
	TH_LOG("throttled donor, 200 ms: owner burned %llu us",
	       (unsigned long long)burned / 1000);
	EXPECT_LE(burned, MS(20));
	ASSERT_EQ(0, px_join(px, 15000));
}

/* The owner uses up the round robin quantum of the donor. */
TEST_F(accounting, rr_quantum)
{
	struct px *px = self->px;
	struct px_actor *hog;
	struct scene s;
	unsigned int ratio;

	set_scene(px, &s, PX_FAIR(19), PX_RR(50));
	/* As important as the donor, so they take turns of 100 ms. */
	hog = px_hog(px, 1, PX_RR(50), MS(400));
	ASSERT_EQ(0, px_run(px, 5000));
	ratio = px_ratio(s.lock, MS(SECTION_MS), NULL);
	TH_LOG("ratio %u.%02u, hog burned %llu us", ratio / 100, ratio % 100,
	       (unsigned long long)px_burned(hog) / 1000);
	EXPECT_GE(ratio, 130);
	EXPECT_LE(ratio, 300);
}

/* RLIMIT_RTTIME is about time a task ran, not time it waited (H40). */
TEST_F(accounting, rttime_limit)
{
	struct px *px = self->px;
	struct scene s;

	set_scene(px, &s, PX_FAIR(19), PX_FIFO(50));
	s.donor->rttime = 50000;
	/* The limit is looked at in a tick of the task that has it. */
	px_burn(s.donor, MS(5));
	ASSERT_EQ(0, px_run(px, 5000));
	EXPECT_GE(s.lock->end - s.lock->start, MS(SECTION_MS) / 2);
	EXPECT_EQ(0, s.donor->sigxcpu);
	EXPECT_EQ(0, s.donor->ret);
}

static uint64_t thread_clock(struct px_actor *a)
{
	struct timespec ts;
	clockid_t id;

	if (pthread_getcpuclockid(a->handle, &id) || clock_gettime(id, &ts))
		return 0;
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/*
 * The clock of a thread that runs is brought up to date for every reader, also
 * when it runs on a donor's time (H38). A stale one would stand still between
 * the ticks. Only threads of the reader's own process have such a clock.
 */
TEST_F(accounting, clock_is_fresh)
{
	struct px *px = self->px;
	uint64_t start, last, now, value, gap = 0, since;
	struct scene s;
	int changes = 0;

	set_scene(px, &s, PX_FAIR(19), PX_FIFO(50));
	s.owner->thread = true;
	ASSERT_EQ(0, until_blocked(px, &s));

	start = px_now();
	since = start;
	last = thread_clock(s.owner);
	while ((now = px_now()) < start + MS(20)) {
		value = thread_clock(s.owner);
		if (value == last)
			continue;
		if (now - since > gap)
			gap = now - since;
		since = now;
		last = value;
		changes++;
	}
	ASSERT_EQ(0, px_join(px, 5000));
	TH_LOG("%d values in 20 ms, longest standstill %llu us", changes,
	       (unsigned long long)gap / 1000);
	EXPECT_GE(changes, 200);
	EXPECT_LE(gap, US(500));
}

int main(int argc, char **argv)
{
	px_require(true);
	return test_harness_run(argc, argv);
}
