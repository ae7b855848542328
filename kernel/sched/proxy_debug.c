// SPDX-License-Identifier: GPL-2.0
/*
 * What user space gets to see of proxy execution besides the totals: counters
 * of each CPU and task, and who waits for whom right now.
 *
 * Included by proxy.c, for its static functions.
 */

#include <linux/cpu.h>
#include <linux/ptrace.h>

/* A line for each counter, a column for each CPU */
static int stats_percpu_show(struct seq_file *m, void *v)
{
	int cpu, i;

	seq_printf(m, "%-20s", "cpu");
	for_each_possible_cpu(cpu)
		seq_printf(m, " %d", cpu);
	seq_putc(m, '\n');

	for (i = 0; i < NR_PROXY_STATS; i++) {
		seq_printf(m, "%-20s", proxy_stat_names[i]);
		for_each_possible_cpu(cpu)
			seq_printf(m, " %lu",
				   READ_ONCE(per_cpu(proxy_stats, cpu).nr[i]));
		seq_putc(m, '\n');
	}

	for (i = 0; i < PROXY_DEPTHS; i++) {
		seq_printf(m, "depth_%-14d", 1 << i);
		for_each_possible_cpu(cpu)
			seq_printf(m, " %lu",
				   READ_ONCE(per_cpu(proxy_stats, cpu).depth[i]));
		seq_putc(m, '\n');
	}

	seq_printf(m, "%-20s", "max_depth");
	for_each_possible_cpu(cpu)
		seq_printf(m, " %u",
			   READ_ONCE(per_cpu(proxy_stats, cpu).max_depth));
	seq_putc(m, '\n');

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats_percpu);

/* One task, and what it waits for, at one point of time */
struct proxy_link {
	char			comm[TASK_COMM_LEN];
	pid_t			pid;
	char			state;
	int			cpu;
	const char		*where;
	unsigned long		switches;
	/* 0: waits for no lock, or is about to find out */
	unsigned long		word;
	enum lock_owner_state	owner_state;
	/* With a reference, or %NULL */
	struct task_struct	*owner;
};

static const char *proxy_where(struct rq *rq, struct task_struct *p)
{
	struct sched_proxy_queue *q = READ_ONCE(p->proxy.queue);

	if (task_is_blocked(p))
		return p->proxy.home < 0 ? "queued" : "queued away from home";
	if (q)
		return q->outbox ? "on its way" : "parked";
	if (task_current(rq, p))
		return rq->proxy_waiter ? "runs for another" : "runs";
	if (p->on_rq)
		return p->se.sched_delayed ? "asleep" : "wants a CPU";
	return "asleep";
}

/*
 * What @p waits for. The lock that p->blocked_on names exists, and can tell its
 * owner, as long as @p cannot return from waiting for it. With its pi_lock and
 * the lock of its runqueue held it can only if it runs already: a sleeper cannot
 * be woken, and what is queued cannot be picked.
 *
 * The owner is a hint, but its task_struct can be referenced: interrupts have
 * been off since it was read, see delayed_put_task_struct(). That takes an owner
 * that was alive then. After an oops it need not have been, so that none is named
 * any more: the kernel is tainted before the task exits.
 */
static void __proxy_look(struct rq *rq, struct task_struct *p,
			 struct proxy_link *link)
{
	lockdep_assert_irqs_disabled();

	strscpy(link->comm, p->comm);
	link->pid = task_pid_nr(p);
	link->state = task_state_to_char(p);
	link->cpu = task_cpu(p);
	link->switches = READ_ONCE(p->nvcsw) + READ_ONCE(p->nivcsw);
	link->where = proxy_where(rq, p);
	link->owner = NULL;
	link->owner_state = LOCK_OWNER_UNKNOWN;
	link->word = p->on_rq && task_on_cpu(rq, p) && !task_is_blocked(p) ?
		     0 : READ_ONCE(p->blocked_on);
	if (!link->word)
		return;

	link->owner_state = blocked_on_owner(link->word, &link->owner);
	if (link->owner_state != LOCK_OWNED && link->owner_state != LOCK_HANDED)
		link->owner = NULL;
	/* The lock is its own already, and it will find out when it runs. */
	if (link->owner == p && link->owner_state == LOCK_HANDED) {
		link->word = 0;
		link->owner = NULL;
	}
	/* A task that has died with a lock is its owner for ever, see above. */
	if (link->owner &&
	    (test_taint(TAINT_DIE) || !tryget_task_struct(link->owner))) {
		link->owner_state = LOCK_OWNER_UNKNOWN;
		link->owner = NULL;
	}
}

static void proxy_look(struct task_struct *p, struct proxy_link *link)
{
	struct rq_flags rf;
	struct rq *rq;

	rq = task_rq_lock(p, &rf);
	__proxy_look(rq, p, link);
	task_rq_unlock(rq, p, &rf);
}

static const char *proxy_lock_type(unsigned long word)
{
	return (word & BLOCKED_ON_TYPE_MASK) == BLOCKED_ON_RWSEM ? "rwsem" :
								    "mutex";
}

static void *proxy_lock_address(unsigned long word)
{
	return (void *)(word & ~(unsigned long)BLOCKED_ON_TYPE_MASK);
}

static const char *proxy_no_owner(enum lock_owner_state state)
{
	if (state == LOCK_UNOWNED)
		return "nobody";
	return test_taint(TAINT_DIE) ? "not known, may have died" : "not known";
}

/**
 * sched_proxy_show_blocked - print what lock a task waits for, and its owner
 * @p: the task
 *
 * For reports of tasks that hang. Prints nothing if @p waits for no lock. Which
 * one is left open if that cannot be told without waiting: this may be the last
 * word of a system that hangs on one of its runqueue locks.
 *
 * Context: any but NMI.
 */
void sched_proxy_show_blocked(struct task_struct *p)
{
	struct proxy_link link = { };
	char owner[TASK_COMM_LEN];
	unsigned long flags;
	bool busy = true;
	struct rq *rq;

	if (!READ_ONCE(p->blocked_on))
		return;

	local_irq_save(flags);
	if (raw_spin_trylock(&p->pi_lock)) {
		rq = task_rq(p);
		if (raw_spin_rq_trylock(rq)) {
			/* Between two runqueues neither lock is the right one. */
			if (rq == task_rq(p) && !task_on_rq_migrating(p)) {
				__proxy_look(rq, p, &link);
				busy = false;
			}
			raw_spin_rq_unlock(rq);
		}
		raw_spin_unlock(&p->pi_lock);
	}
	local_irq_restore(flags);

	if (busy)
		pr_info("%s/%d waits for a lock, and cannot be looked at\n",
			p->comm, task_pid_nr(p));
	if (!link.word)
		return;
	if (!link.owner) {
		pr_info("%s/%d waits for %s %p, owner %s\n", link.comm,
			link.pid, proxy_lock_type(link.word),
			proxy_lock_address(link.word),
			proxy_no_owner(link.owner_state));
		return;
	}
	/* Not get_task_comm(), whose lock is not for interrupts */
	strscpy(owner, link.owner->comm);
	pr_info("%s/%d waits for %s %p, owner %s/%d state %c on CPU %d\n",
		link.comm, link.pid, proxy_lock_type(link.word),
		proxy_lock_address(link.word), owner,
		task_pid_nr(link.owner), task_state_to_char(link.owner),
		task_cpu(link.owner));
	put_task_struct(link.owner);
}

/* What a file of everybody may tell about @p while it waits */
void proxy_show_task(struct seq_file *m, struct pid_namespace *ns,
		     struct task_struct *p)
{
	struct proxy_link link;

	seq_printf(m, "%-45s:%21llu\n", "proxy.nr_donated",
		   (u64)READ_ONCE(p->proxy.nr_donated));
	seq_printf(m, "%-45s:%21llu\n", "proxy.nr_helped",
		   (u64)READ_ONCE(p->proxy.nr_helped));
	seq_printf(m, "%-45s:%21llu\n", "proxy.time_given_ns",
		   READ_ONCE(p->proxy.time_given));
	seq_printf(m, "%-45s:%21llu\n", "proxy.time_received_ns",
		   READ_ONCE(p->proxy.time_received));

	if (!READ_ONCE(p->blocked_on) ||
	    !ptrace_may_access(p, PTRACE_MODE_READ_FSCREDS | PTRACE_MODE_NOAUDIT))
		return;

	proxy_look(p, &link);
	if (link.word) {
		seq_printf(m, "%-45s: %s %p\n", "proxy.blocked_on",
			   proxy_lock_type(link.word),
			   proxy_lock_address(link.word));
		seq_printf(m, "%-45s:%21d\n", "proxy.blocked_owner",
			   link.owner ? task_pid_nr_ns(link.owner, ns) : 0);
	}
	if (link.owner)
		put_task_struct(link.owner);
}

/* Chains shown at most: the list of tasks is not let go in between. */
#define PROXY_MAX_CHAINS	512

/*
 * The links from @p back to itself, and who has run since. They are read one
 * after the other: a deadlock is what is the same when looked at again, as in
 * proxy_parked_cycle().
 *
 * Return: 0 if they do not lead back.
 */
static unsigned long proxy_ring(struct task_struct *p)
{
	struct task_struct *first = p;
	unsigned long trace = 0;
	struct proxy_link link;
	int depth;

	get_task_struct(p);
	for (depth = 0; p && depth <= PROXY_MAX_DEPTH; depth++) {
		proxy_look(p, &link);
		trace = hash_long(trace + (unsigned long)p, BITS_PER_LONG) +
			link.switches;
		put_task_struct(p);
		p = link.owner;
		if (p == first) {
			put_task_struct(p);
			return trace ?: 1;
		}
	}
	if (p)
		put_task_struct(p);

	return 0;
}

static void proxy_show_chain(struct seq_file *m, struct task_struct *first)
{
	struct task_struct *p = first;
	struct proxy_link link;
	unsigned long ring;
	int depth;

	get_task_struct(p);
	for (depth = 0; p && depth <= PROXY_MAX_DEPTH; depth++) {
		proxy_look(p, &link);
		put_task_struct(p);
		p = link.owner;

		/* It has got it meanwhile. */
		if (!depth && !link.word)
			return;
		seq_printf(m, "%s/%d [%c, %s, CPU %d]", link.comm, link.pid,
			   link.state, link.where, link.cpu);
		if (!link.word)
			break;
		seq_printf(m, " -> %s %p%s -> ", proxy_lock_type(link.word),
			   proxy_lock_address(link.word),
			   link.owner_state == LOCK_HANDED ? ", handed over" : "");
		if (!p)
			seq_puts(m, proxy_no_owner(link.owner_state));
		if (p == first) {
			ring = proxy_ring(first);
			seq_puts(m, ring && ring == proxy_ring(first) ?
				 "itself: deadlock" : "itself a moment ago");
			break;
		}
	}
	/* Not in @first but further down, or simply long */
	if (p && depth > PROXY_MAX_DEPTH)
		seq_puts(m, "...");
	if (p)
		put_task_struct(p);
	seq_putc(m, '\n');
}

/*
 * Who waits for whom. Each link was true when it was read, one after the other;
 * a chain that stands still is right as a whole.
 */
static int chains_show(struct seq_file *m, void *v)
{
	struct task_struct *g, *p;
	unsigned int more = 0, shown = 0;

	rcu_read_lock();
	for_each_process_thread(g, p) {
		if (!READ_ONCE(p->blocked_on))
			continue;
		/* The file is read again with more room if this was too much. */
		if (seq_has_overflowed(m) || shown == PROXY_MAX_CHAINS) {
			more++;
			continue;
		}
		proxy_show_chain(m, p);
		shown++;
	}
	rcu_read_unlock();

	if (more)
		seq_printf(m, "and %u more\n", more);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(chains);

static int enabled_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", sched_proxy_exec() && READ_ONCE(proxy_enabled));
	return 0;
}

static int enabled_open(struct inode *inode, struct file *file)
{
	return single_open(file, enabled_show, NULL);
}

/*
 * End donations, or let them begin, on a live system. All code stays in place,
 * only __schedule() stops to keep or park those that block. Who waits on a
 * runqueue is made an ordinary sleeper when it is next picked; who is parked,
 * when it would be enqueued, or it is woken before. A wakeup finds them all, as
 * it would otherwise.
 *
 * Unlike the boot parameter this does not take the code out. The reverse is not
 * possible: branches are patched one after the other, and a task left on the
 * runqueue by the first must not be woken through the last.
 */
static ssize_t enabled_write(struct file *file, const char __user *ubuf,
			     size_t count, loff_t *ppos)
{
	bool on;
	int cpu, ret;

	ret = kstrtobool_from_user(ubuf, count, &on);
	if (ret)
		return ret;
	if (!sched_proxy_exec()) {
		if (!on)
			return count;
		pr_warn("sched/proxy: booted with sched_proxy_exec=0, cannot be turned on before the next boot\n");
		return -EOPNOTSUPP;
	}

	WRITE_ONCE(proxy_enabled, on);
	smp_mb(); /* pairs with that in __proxy_exit() */
	if (on && test_taint(TAINT_DIE)) {
		WRITE_ONCE(proxy_enabled, false);
		pr_warn("sched/proxy: a task has died, perhaps with a lock, cannot be turned on before the next boot\n");
		return -EOPNOTSUPP;
	}
	if (!on) {
		/* Look again on whose time you run. */
		guard(cpus_read_lock)();
		for_each_online_cpu(cpu)
			resched_cpu(cpu);
	}
	return count;
}

static const struct file_operations enabled_fops = {
	.open		= enabled_open,
	.read		= seq_read,
	.write		= enabled_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};
