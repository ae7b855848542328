// SPDX-License-Identifier: GPL-2.0
/*
 * disturb - change what the scheduler knows about running tasks, at random.
 *
 *   disturb [-s SEED] [-t SECONDS] [-i MICROSECONDS] [-w WHAT[,WHAT]...] COMM...
 *
 * Until the time is over (or SIGTERM), takes one task after the other whose
 * name begins with a COMM and, all MICROSECONDS, does one of
 *
 *   affinity  a random set of CPUs
 *   class     a random policy and priority
 *   deadline  with class: SCHED_DEADLINE too
 *   cgroup    into one of three groups, or back to the root; one of the groups
 *             has little bandwidth, one little weight
 *   hotplug   now and then, a CPU goes offline or comes back. Then nothing else
 *             changes: the base lets sched_setaffinity() move a kernel thread to
 *             a CPU that is about to die, which complains.
 *   switch    besides, proxy execution is switched off or on a few times, one
 *             right after the other. Needs no task.
 *
 * and puts everything back at the end. What the kernel refuses (a deadline task
 * with an affinity, a CPU that is offline) is counted, it is an error only if all
 * of a kind is. The choices depend on SEED and the number of tasks only.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy_util.h"

#define MAX_TASKS	512
#define RT_SHARE	8	/* one change of class in that many makes RT */
#define HOTPLUG_SHARE	64	/* one change in that many is of a CPU */
#define FLIPS		3	/* of the switch, at a turn, on average */
#define SWITCH		"/sys/kernel/debug/sched/proxy_exec/enabled"

/* DEADLINE is one more class for CLASS, the rest is not about a task. */
enum { AFFINITY, CLASS, CGROUP, KINDS, DEADLINE = KINDS, HOTPLUG, FLIP, WORDS };

static const char * const word_name[WORDS] = { "affinity", "class", "cgroup",
					       "deadline", "hotplug", "switch" };
static const char * const group[] = { "disturb-quota", "disturb-weight",
				      "disturb-plain", "" };
static pid_t task[MAX_TASKS];
static int tasks;
static uint32_t seed = 1;
/* Numerical Recipes; the low bits are poor. */
static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint64_t)seed * n >> 32;
}

static bool wanted(const char *comm, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (!strncmp(comm, names[i], strlen(names[i])))
			return true;
	return false;
}

static void find_tasks(char **names, int n)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;

	tasks = 0;
	while (proc && (e = readdir(proc))) {
		char path[300], comm[64];

		if (!isdigit(e->d_name[0]) || tasks == MAX_TASKS)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (px_read(path, comm, sizeof(comm)) >= 0 &&
		    wanted(comm, names, n))
			task[tasks++] = atoi(e->d_name);
	}
	if (proc)
		closedir(proc);
}

static int change_affinity(pid_t pid)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	unsigned long all = (1UL << cpus) - 1;
	unsigned long mask = random_below(all) + 1;

	/* Mostly a single CPU, which is what parts an owner from its waiters. */
	if (random_below(2))
		mask = 1UL << random_below(cpus);
	return px_set_cpus(pid, mask);
}

static int change_class(pid_t pid, bool deadline, unsigned long *done)
{
	if (!random_below(RT_SHARE)) {
		switch (random_below(deadline ? 3 : 2)) {
		case 0:
			return px_set_attr(pid, PX_FIFO(1 + random_below(50)));
		case 1:
			return px_set_attr(pid, PX_RR(1 + random_below(50)));
		default:
			px_set_cpus(pid, ~0UL);
			if (px_set_attr(pid, PX_DL(MS(1), MS(20))))
				return -EPERM;
			done[DEADLINE]++;
			return 0;
		}
	}
	switch (random_below(3)) {
	case 0:
		return px_set_attr(pid, PX_IDLE);
	case 1:
		return px_set_attr(pid, PX_BATCH((int)random_below(40) - 20));
	default:
		return px_set_attr(pid, PX_FAIR((int)random_below(40) - 20));
	}
}

/* The first CPU stays. */
static int change_cpus(void)
{
	static unsigned long offline;
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	int cpu = cpus > 1 ? 1 + random_below(cpus - 1) : 0;
	int err;

	if (!cpu)
		return -EINVAL;
	err = px_online(cpu, offline & (1UL << cpu));
	if (!err)
		offline ^= 1UL << cpu;
	return err;
}

static int flip(void)
{
	static bool off;
	int err = px_write(SWITCH, off ? "1" : "0");

	if (!err)
		off = !off;
	return err;
}

static int change(int kind, pid_t pid, const bool *words, unsigned long *done)
{
	switch (kind) {
	case AFFINITY:
		return change_affinity(pid);
	case CLASS:
		return change_class(pid, words[DEADLINE], done);
	default:
		return px_group_join(group[random_below(4)], pid);
	}
}

static int parse_words(char *text, bool *words)
{
	char *word;
	int i;

	memset(words, 0, WORDS * sizeof(*words));
	for (word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		for (i = 0; i < WORDS; i++)
			if (!strcmp(word, word_name[i]))
				break;
		if (i == WORDS)
			return -EINVAL;
		words[i] = true;
	}
	return 0;
}

static void groups_begin(const bool *words)
{
	int err = 0;

	if (!words[CGROUP])
		return;
	for (int i = 0; i < 3; i++)
		err |= px_group_make(group[i]);
	err |= px_group_set(group[0], "cpu.max", "20000 50000");
	err |= px_group_set(group[1], "cpu.weight", "4");
	if (err) {
		fprintf(stderr, "disturb: no cgroup2 with a cpu controller\n");
		exit(1);
	}
}

static void put_back(const bool *words)
{
	if (words[FLIP])
		px_write(SWITCH, "1");
	for (int i = 1; words[HOTPLUG] && i < sysconf(_SC_NPROCESSORS_CONF); i++)
		px_online(i, true);
	for (int i = 0; i < tasks; i++) {
		if (words[CLASS])
			px_set_attr(task[i], PX_FAIR(0));
		if (words[AFFINITY])
			px_set_cpus(task[i], ~0UL);
		if (words[CGROUP])
			px_group_join("", task[i]);
	}
	for (int i = 0; words[CGROUP] && i < 3; i++)
		px_group_remove(group[i]);
}

int main(int argc, char **argv)
{
	bool words[WORDS] = { true, true, true, true };
	unsigned long done[WORDS] = {}, refused[WORDS] = {};
	unsigned int usec = 1000, seconds = 10;
	uint64_t end, look = 0;
	bool idle = false, about_tasks;
	struct timespec pause;
	uint32_t first;
	sigset_t term;
	int c;

	while ((c = getopt(argc, argv, "s:t:i:w:")) != -1) {
		if (c == 's')
			seed = strtoul(optarg, NULL, 0);
		else if (c == 't')
			seconds = strtoul(optarg, NULL, 0);
		else if (c == 'i')
			usec = strtoul(optarg, NULL, 0);
		else if (c != 'w' || parse_words(optarg, words))
			optind = argc;
	}
	if (optind >= argc) {
		fprintf(stderr,
			"usage: disturb [-s SEED] [-t SECONDS] [-i USEC] [-w WHAT[,WHAT]] COMM...\n");
		return 2;
	}
	first = seed;
	pause.tv_sec = usec / 1000000;
	pause.tv_nsec = usec % 1000000 * 1000;
	/* Also when it is told to stop, things are put back. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	/* It has to get at the tasks that are in its way. */
	px_set_attr(0, PX_FIFO(90));
	groups_begin(words);
	about_tasks = words[AFFINITY] || words[CLASS] || words[CGROUP];
	end = px_now() + seconds * MS(1000);
	while (sigtimedwait(&term, NULL, &pause) < 0 && px_now() < end) {
		int kind = random_below(KINDS);

		if (about_tasks && px_now() >= look) {
			find_tasks(argv + optind, argc - optind);
			look = px_now() + MS(1000);
		}
		while (words[FLIP] && random_below(FLIPS + 1)) {
			if (flip())
				refused[FLIP]++;
			else
				done[FLIP]++;
		}
		if (words[HOTPLUG] && !random_below(HOTPLUG_SHARE)) {
			if (change_cpus())
				refused[HOTPLUG]++;
			else
				done[HOTPLUG]++;
		} else if (tasks && words[kind]) {
			if (change(kind, task[random_below(tasks)], words, done))
				refused[kind]++;
			else
				done[kind]++;
		}
	}
	put_back(words);
	printf("disturb: seed %u, %d tasks:", first, tasks);
	for (c = 0; c < WORDS; c++)
		if (words[c]) {
			printf(" %s %lu (%lu refused)", word_name[c], done[c],
			       refused[c]);
			idle |= !done[c];
		}
	printf("\n");
	/* Nothing of what was asked for is not a disturbance. */
	return idle;
}
