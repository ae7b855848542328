/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the protocol of kernel/sched/proxy.c for spin: three tasks, two
 * mutexes, two CPUs. One atomic block stands for what is done under one lock, or
 * for what is read at once without; between two of them anything can happen on
 * the other CPU. A lock that is held for longer has a variable. Scheduling has no
 * priorities: any task on the runqueue can be picked. Memory is sequentially
 * consistent: a barrier is there as the order of two steps.
 *
 *	here			kernel
 *	----			------
 *	Cpu()			__mutex_lock_common(), __mutex_unlock_slowpath(), tick
 *	schedule()		__schedule(), __proxy_keep(), proxy_leaves(),
 *				proxy_note_remote(), __find_proxy_task(),
 *				__proxy_picked()
 *	finish()		finish_task(), proxy_balance(), proxy_feed()
 *	place()			proxy_place(), proxy_try_place(), proxy_inject()
 *	park(), unpark()	proxy_park(), __proxy_unpark()
 *	bind(), take(), drop()	proxy_bind(), __proxy_take(), proxy_drop()
 *	degrade()		proxy_let_go(), in __proxy_keep(), proxy_degrade() and
 *				__proxy_demote()
 *	waits()			proxy_owner_here()
 *	owns(), will()		proxy_owns(), proxy_still_owner()
 *	holds()			proxy_has_donors()
 *	stands()		proxy_stands()
 *	better(), room()	proxy_improves(), proxy_room()
 *	list(), note()		proxy_list(), __proxy_note()
 *	settle()		proxy_settle()
 *	unlock(), pass()	__sched_proxy_unlock(), proxy_pass_on()
 *	wake()			try_to_wake_up(), __proxy_claim(), __proxy_wake(),
 *				proxy_activated(), proxy_undelayed()
 *
 * Checked: no task on two CPUs; no blocked task runs, and none that is parked;
 * none runs off its home; a CPU runs for another only while that is blocked and
 * queued there; a mutex released on the time of a waiter goes to that; nobody is
 * parked on a task that waits for a CPU and is not listed there, or that has
 * nothing to do with the lock, or waits for it like anybody else while another has
 * it; no task is refused that is to be parked on who owns the lock; one that is in
 * a hurry does not wait for the tick, unless the runqueue is full, and nor do those
 * it has to go through; a CPU lists only tasks that wait for it; and all tasks end,
 * so no wakeup is lost. BUG_* plants a fault that one of these has to find.
 *
 * Not here: what makes a task an ordinary sleeper other than in DELAY and DEGRADE,
 * of those in the latter more than one, and CPUs that go down.
 */
#define T	3
#define L	2
#define C	2
#define NONE	7
#define ANY	6
#if defined(BUG_OFF) || defined(BUG_WITH) || defined(BUG_HANDED)
#undef SIGNALS
#endif
#ifdef BUG_REBIND	/* QUEUE */
#define BUG_REST
#endif
#ifdef DEGRADE
#define OTHER
#endif
#ifdef OTHER
#define AGAIN
#endif
#if defined(OTHER) && !defined(DEGRADE)
#define MORE	1
#else
#define MORE	0
#endif
#if defined(OTHER) || defined(FULL)
#undef SIGNALS
#define SIGNALS	0
#endif
#ifndef SIGNALS
#define SIGNALS	1
#endif
#ifndef TICKS
#define TICKS	2
#endif
#define PARKED	3		/* values of q[] */
#define OUT(c)	(4 + (c))

/* __state */
#define RUNNING	0
#define SLEEPS	1
#define WAKING	2

/*
 * What a task does: takes the locks of a byte, low bit first. CHAIN: the second
 * waits for the first, which waits for the third. QUEUE: two wait for one. AGAIN:
 * the same, and the first comes back for more. DELAY: as CHAIN, but the one in the
 * middle stays out of this, in delayed dequeue for a while. OTHER: as AGAIN, but
 * a tick can also bring in a task that has nothing to do with these, without which
 * an owner would hardly ever wait for a CPU for long. FULL: as QUEUE, with such a
 * task, too, and one blocked task is as much as a runqueue has room for. DEGRADE:
 * as OTHER, with a tick less, but one of them, at some time, waits or goes on to
 * wait as an ordinary sleeper, for a reason that is not here. In the last three
 * nobody is woken, or changed, for no reason.
 */
#ifdef FULL
#define QUEUE
#endif
#ifdef AGAIN
#define QUEUE
#define LESS	(TICKS > 0)
#else
#define LESS	0
#endif
#ifndef QUEUE
#define want(t)		(t == 0 -> 3 : (t == 1 -> 1 : 2))
#else
#define want(t)		1
#endif

byte owner[L] = NONE;
bool handed[L];
byte group[L] = NONE;	/* who takes along those that are parked for this lock */
bool bucket[L];		/* lock of the bucket */

byte blocked[T] = NONE;	/* blocked_on */
byte state[T];
bool mark[T];		/* proxy.blocked */
bool onrq[T];
#ifdef DELAY
bool delayed[T];	/* sched_delayed */
#define late(t)	delayed[t]
#else
#define late(t)	false
#endif
bool oncpu[T];
byte cpu[T];
byte home[T] = NONE;
byte aff[T];		/* the CPU it may run on */
byte q[T] = NONE;	/* proxy.queue: PARKED, OUT(c), NONE */
bool urges[T];
bool urged[T];
byte pend[T] = NONE;	/* in proxy_pending of this CPU */
bool pi[T];		/* pi_lock */
byte pc[T];
bool done[T];
#ifdef AGAIN
bool again;
#endif
#ifdef BUG_H17
byte sample[T];
bool sampled[T];
#endif
#ifdef BUG_OFF
bool off[T];		/* proxy.queue, as a wakeup sees it */
#define OFF(t, v)	off[t] = v
#else
#define OFF(t, v)	skip
#endif

byte curr[C] = NONE;
byte donor[C] = NONE;
byte waiter[C] = NONE;
bool resched[C];
bool feed[C];		/* proxy_feed */
bool rq[C];		/* rq->lock, where it is held for more than one step */
bool busy[C];
#if SIGNALS > 0
byte signals = SIGNALS;	/* spurious wakeups, and the like, to come */
#endif
byte ticks = TICKS - LESS + MORE;	/* preemptions for no other reason */
#ifdef DEGRADE
bool lone;		/* one of them has become an ordinary sleeper */
#endif
byte best;		/* the task that is better than the others, if any */

#define on(t, c)	(onrq[t] && cpu[t] == c)
#define waits(t, c)	(on(t, c) && !late(t))
#define member(t, l)	(q[t] == PARKED && blocked[t] == l)
#define any(l)		(member(0, l) || member(1, l) || member(2, l))
#define holds(t)	(group[0] == t || group[1] == t)
#define owns(o, l)	(owner[l] == o)
#define will(o, l)	(owner[l] == o || blocked[o] == l)
#ifndef BUG_BACK	/* DEGRADE */
/* Who has been woken to be the next, @w, need not be the owner yet. */
#define stays(o, l, w)	(owns(o, l) || ((w) && will(o, l)))
#else
#define stays(o, l, w)	will(o, l)
#endif
#define better(t, o)	(best == t || urged[t])
#ifdef FULL
#define full(c)		((mark[0] && cpu[0] == c) || (mark[1] && cpu[1] == c) || \
			 (mark[2] && cpu[2] == c))
#else
#define full(c)		false
#endif
#define room(p, c)	(!full(c) || (best == p && donor[c] != p) || urged[p])
#define hurry(l)	((member(0, l) && urges[0]) || \
			 (member(1, l) && urges[1]) || \
			 (member(2, l) && urges[2]))

#define quiet	(!busy[0] && !busy[1] && !pi[0] && !pi[1] && !pi[2])

/* Off all CPUs, but could run */
#define stuck(o)	(onrq[o] && !late(o) && curr[cpu[o]] != o)

/* Whom those wait for that @p is parked with, if anybody is to take them along */
#define whom(p)		group[blocked[p]]
#define parked(p)	(q[p] == PARKED && whom(p) != NONE)

/* Parked on a task that waits for a CPU and is not listed */
#define forgotten(p)	(parked(p) && stuck(whom(p)) && pend[whom(p)] == NONE)

/* Parked on a task that neither has the lock nor waits for it */
#define astray(p)	(parked(p) && !will(whom(p), blocked[p]))

/* or on one that is itself parked for that lock */
#define circular(p)	(parked(p) && member(whom(p), blocked[p]))

/* or on one that waits for it like anybody else, while another has it */
#define adrift(p)	(parked(p) && !owns(whom(p), blocked[p]) && \
			 owner[blocked[p]] != NONE && !onrq[whom(p)] && \
			 q[whom(p)] == NONE)

/* It is in a hurry, but the task it is parked on will wait for the tick. */
#define late_for(o)	(stuck(o) && !(feed[cpu[o]] && resched[cpu[o]]) && \
			 !full(cpu[o]))
/* or is parked, and is not in a hurry */
#define lost_in(o)	(q[o] == PARKED && !urges[o] && group[blocked[o]] != o)
#define lost(p)		(parked(p) && urges[p] && (late_for(whom(p)) || lost_in(whom(p))))

/* Listed as waiting for a CPU, and does not, or not for that one */
#define misplaced(t)	(pend[t] != NONE && !waits(t, pend[t]))

inline consistent()
{
	assert(!quiet || !(forgotten(0) || forgotten(1) || forgotten(2)));
	assert(!quiet || !(astray(0) || astray(1) || astray(2)));
	assert(!quiet || !(circular(0) || circular(1) || circular(2)));
	assert(!quiet || !(adrift(0) || adrift(1) || adrift(2)));
	assert(!quiet || !(lost(0) || lost(1) || lost(2)))
}

/* rq->lock held */
inline reset_donor(c)
{
	donor[c] = curr[c];
	waiter[c] = NONE
}

inline dequeue(t)
{
	if
	:: donor[cpu[t]] == t ->
#ifndef BUG_H10
		reset_donor(cpu[t])
#else
		skip
#endif
	:: else
	fi;
	if
	:: waiter[cpu[t]] == t -> waiter[cpu[t]] = donor[cpu[t]]
	:: else
	fi;
	mark[t] = false;
	pend[t] = NONE;
	onrq[t] = false
}

inline list(t, c)
{
	pend[t] = c;
	if
	:: urged[t] -> feed[c] = true
	:: else
	fi
}

/* With the lock of CPU @c, where @t is or is about to be queued */
inline note(t, c)
{
	list(t, c);
	if
	:: urged[t] -> resched[c] = true
	:: else
	fi
}

/* With the lock of the bucket: the group of @l, if it is one, has lost @g. */
inline unbind(g)
{
	if
	:: g != NONE && !holds(g) -> urged[g] = false
	:: else
	fi
}

inline bind(l, o)
{
	{
		byte b_g;

		b_g = group[l];
		group[l] = o;
		unbind(b_g);
		if
		:: hurry(l) -> urged[o] = true
		:: else
		fi;
		b_g = 0
	}
}

inline take(t)
{
	{
		byte t_g;

		q[t] = NONE;
		OFF(t, false);
		urges[t] = false;
		if
		:: !any(blocked[t]) ->
			t_g = group[blocked[t]];
			group[blocked[t]] = NONE;
			unbind(t_g);
			t_g = 0
		:: else
		fi
	}
}

/* Nobody takes those along any more that are parked for @l. */
inline drop(l)
{
	{
		byte d_g;

		d_g = group[l];
		group[l] = NONE;
		unbind(d_g);
		d_g = 0
	}
}

#ifdef DEGRADE
#define degrades(t)	(!lone && !(holds(t) && bucket[blocked[t]]))
#define demoted(t)	(onrq[t] && mark[t] && !pi[t] && !rq[cpu[t]] && degrades(t))

/* @t is an ordinary sleeper from now on, and nobody can depend on that. */
inline degrade(t)
{
	lone = true;
#ifndef BUG_STAYS	/* DEGRADE */
	if
	:: group[blocked[t]] == t -> drop(blocked[t])
	:: else
	fi;
#endif
	dequeue(t)
}
#endif

inline give(l, o)
{
	if
	:: !done[o] -> bind(l, o)
	/* Exited */
	:: else -> drop(l)
	fi
}

/* With the lock of the bucket: @p, parked on @o, leaves, and the others go along. */
inline unpark(p, o, l)
{
	take(p);
	if
	:: any(l) && group[l] == o -> bind(l, p)
	:: else
	fi
}

#ifndef BUG_HANDED	/* QUEUE */
#define past(o, l)	(member(o, l) && !owns(o, l))
#else
#define past(o, l)	member(o, l)
#endif

/* @p, which waits for @l, is added to those that @o takes along. */
inline join(p, o, l)
{
#ifndef BUG_ORDER
	urges[p] = better(p, o);
#else
	q[p] = PARKED;
	OFF(p, true);
#endif
	give(l, o)
}

/* @woken: to be the owner, or else it has been found to be. @ok: was it parked? */
inline park(p, o, l, woken, ok)
{
	atomic {
		!bucket[l];
		if
		/* It has released the lock, and waits for it itself. */
		:: past(o, l) -> ok = 0
		:: !past(o, l) && (!any(l) || group[l] == o) -> ok = 1
		:: !past(o, l) && any(l) && group[l] != o ->
#ifndef BUG_REBIND
			ok = (owns(o, l) -> 1 : 0);
#else
			ok = 1;
#endif
			rebound = (ok != 0)
		fi;
		/* Not for nothing */
		assert(ok != 0 || !owns(o, l));
		if
		:: ok != 0 ->
			bucket[l] = true;
#ifndef BUG_ORDER
			q[p] = PARKED;
			OFF(p, true)
#else
			urges[p] = better(p, o)
#endif
		:: else
		fi
	}
	if
	:: ok != 0 ->
		atomic { join(p, o, l) }
		/* Parked. Is it still the one? */
		atomic {
			assert(q[p] == PARKED);
#ifndef BUG_STILL	/* QUEUE */
			if
#ifndef BUG_REST	/* AGAIN */
			/* @o has not seen those that it was given. */
			:: !stays(o, l, woken) && rebound ->
				unpark(p, group[l], l);
				ok = 0
			:: !stays(o, l, woken) && !rebound ->
#else
			:: !stays(o, l, woken) ->
#endif
				take(p);
				ok = 0
			:: else
			fi;
#endif
			rebound = false;
			bucket[l] = false
		}
	:: else
	fi
}

/* Will @o see to its donors? */
inline stands(o, ok)
{
	{
		bool n_on, n_donor;

		atomic {
			n_on = onrq[o];
			n_donor = onrq[o] && donor[cpu[o]] == o
		}
		atomic {
#ifndef BUG_STANDS
			ok = (n_on -> (n_donor -> !mark[o] : late(o)) :
				      state[o] == SLEEPS);
#else
			ok = (n_on -> (n_donor -> true : late(o)) :
				      state[o] == SLEEPS);
#endif
#ifndef BUG_URGE
			/* Those that it waits for may have to know. */
			ok = ok && q[o] == NONE;
#endif
			n_on = false;
			n_donor = false
		}
	}
}

inline settle(o)
{
#ifndef BUG_H28
	{
		byte e_o, e_l;

		e_o = o;
		do
		:: e_o != NONE ->
#ifdef BUG_HERE
			e_l = cpu[e_o];
			atomic {
				if
				:: onrq[e_o] && curr[e_l] != e_o -> note(e_o, e_l)
				:: else
				fi;
				e_l = 0;
				e_o = NONE
			}
#else
			atomic {
				!rq[cpu[e_o]];
				if
				:: waits(e_o, cpu[e_o]) && curr[cpu[e_o]] != e_o ->
					note(e_o, cpu[e_o])
				:: else
				fi;
				if
				:: waits(e_o, cpu[e_o]) -> e_o = NONE
				:: else
				fi
			}
			if
			:: e_o != NONE ->
				atomic {
					if
					:: urged[e_o] && q[e_o] == PARKED ->
						e_l = blocked[e_o]
					:: else ->
						e_o = NONE
					fi
				}
			:: else
			fi;
			if
			:: e_o != NONE ->
				/* Those that it waits for are in a hurry. */
				atomic {
					!bucket[e_l];
					if
					:: member(e_o, e_l) && group[e_l] != e_o ->
						urges[e_o] = true;
						e_o = group[e_l];
						urged[(e_o == NONE -> 0 : e_o)] =
							(e_o == NONE -> urged[0] : true)
					:: else ->
						e_o = NONE
					fi;
					e_l = 0
				}
			:: else
			fi
#endif
		:: else -> break
		od;
		e_o = 0
	}
#else
	skip
#endif
}

inline wake(t)
{
	{
		bool w_full;
#ifdef BUG_EARLY
		bool w_holds;
#endif
		w_full = false;
		atomic {
			/* The locks it takes one after the other */
			!pi[t] && !(onrq[t] && rq[cpu[t]]) &&
			!(q[t] == PARKED && bucket[blocked[t]]);
			if
			:: state[t] != SLEEPS -> skip
			:: state[t] == SLEEPS && onrq[t] && mark[t] &&
			   donor[cpu[t]] == t && home[t] == NONE ->
				/* The donor goes on right here, and at once. */
				mark[t] = false;
				state[t] = RUNNING;
#ifndef BUG_H1
				reset_donor(cpu[t]);
				resched[cpu[t]] = true;
#endif
				if
#ifndef BUG_WOKEN
				:: holds(t) && curr[cpu[t]] != t -> note(t, cpu[t])
#endif
				:: else
				fi
			:: state[t] == SLEEPS && onrq[t] && mark[t] &&
			   !(donor[cpu[t]] == t && home[t] == NONE) ->
				if
				:: waiter[cpu[t]] != NONE -> resched[cpu[t]] = true
				:: else
				fi;
				dequeue(t);
				w_full = true
			:: state[t] == SLEEPS && onrq[t] && !mark[t] ->
				/* It has not come to schedule() yet. */
				state[t] = RUNNING;
#ifdef DELAY
				if
				:: late(t) ->
					late(t) = false;
#ifndef BUG_LATE	/* DELAY */
					if
					:: holds(t) -> note(t, cpu[t])
					:: else
					fi;
#endif
					resched[cpu[t]] = true
				:: else
				fi
#endif
			:: state[t] == SLEEPS && !onrq[t] ->
				w_full = true
			fi;
			if
			:: w_full ->
				pi[t] = true;
#ifdef BUG_EARLY
				w_holds = holds(t);
#else
				state[t] = WAKING;
#endif
				if
#ifdef BUG_OFF
				:: !off[t] -> skip
#endif
#ifndef BUG_CLAIM
				:: q[t] == PARKED -> take(t)
				:: q[t] != PARKED && q[t] != NONE ->
					q[t] = NONE;
					OFF(t, false)
#endif
				:: else
				fi
			:: else
			fi
		}
		if
		:: w_full ->
			atomic {
				!oncpu[t];
#ifndef BUG_HOME
				if
				:: home[t] != NONE -> cpu[t] = home[t]; home[t] = NONE
				:: else
				fi;
#else
				home[t] = NONE;
#endif
				if
				:: aff[t] == ANY -> cpu[t] = 0
				:: aff[t] == ANY -> cpu[t] = 1
				:: aff[t] != ANY
				fi;
				!rq[cpu[t]];
				if
#ifdef BUG_EARLY
				:: w_holds -> note(t, cpu[t])
#else
				:: holds(t) -> note(t, cpu[t])
#endif
				:: else
				fi;
				onrq[t] = true;
				state[t] = RUNNING;
				resched[cpu[t]] = true;
				pi[t] = false;
#ifdef BUG_EARLY
				w_holds = false;
#endif
				w_full = false
			}
		:: else
		fi
	}
}

/* With the lock of the bucket: whom do those go on to that are parked for @l? */
inline next_owner(l, o, w)
{
	o = owner[l];
	if
	:: o == NONE ->
		/* One of them, which has to look for itself */
		w = (member(0, l) -> 0 : (member(1, l) -> 1 : 2));
		o = w
	:: else
	fi
}

/* Those that @from has to take along because of @l go on to @nx, or the owner. */
inline pass(l, from, nx)
{
	{
		byte u_o, u_w, u_k;
		bool u_ok;

		atomic {
			!(holds(from) && bucket[l]);
			u_w = NONE;
			u_o = NONE;
			if
			:: group[l] == from ->
				bucket[l] = true;
				u_o = nx;
				if
				:: u_o == NONE -> next_owner(l, u_o, u_w)
				:: else
				fi
			:: else
			fi
		}
		do
		:: u_o == NONE || u_ok -> break
		:: u_o != NONE && !u_ok ->
			atomic {
				u_k = (member(0, l) -> 0 : (member(1, l) -> 1 : 2));
				if
				:: !hurry(l) -> urges[u_k] = better(u_k, u_o)
				:: else
				fi;
				u_k = 0;
				give(l, u_o);
				u_o = (done[u_o] -> NONE : u_o);
				bucket[l] = (u_o != NONE)
			}
			if
			:: u_o != NONE ->
				/* Is it still the one? */
				atomic {
					if
					:: stays(u_o, l, u_o == nx || u_o == u_w) ->
						bucket[l] = false;
						u_ok = true
					:: else ->
						u_w = NONE;
						next_owner(l, u_o, u_w)
					fi
				}
			:: else
			fi
		od;
		if
		:: u_ok && u_w != NONE -> wake(u_w)
		:: u_ok && u_w == NONE ->
			stands(u_o, u_ok);
			if
			:: !u_ok -> settle(u_o)
			:: else
			fi
		:: else
		fi;
		atomic { u_ok = false; u_o = 0; u_w = 0 }
	}
}

/*
 * @p is on its way from @from, or parked for @fl on @hint, and goes to where its
 * owner is.
 */
inline place(p, from, fl, hint)
{
	{
		byte p_o, p_l, p_c, p_ok;
		bool p_mine, p_wake, p_with, p_park, p_full, p_next;

		atomic {
			!pi[p] && !(from == PARKED && bucket[fl]);
			if
			:: from == PARKED && member(p, fl) ->
				take(p);
				pi[p] = true;
				p_mine = true
			:: from != PARKED && q[p] == from ->
				q[p] = NONE;
				OFF(p, false);
				pi[p] = true;
				p_mine = true
			/* Woken */
			:: else
			fi
		}
		do
		:: !p_mine -> break
		:: p_mine ->
			atomic {
				!oncpu[p];
				p_l = blocked[p];
				p_o = owner[p_l];
				if
				:: p_o == NONE && hint != NONE && hint != p &&
				   blocked[hint] == p_l ->
					p_o = hint;
					p_next = true
				:: else -> p_next = false
				fi;
				if
				:: p_o == NONE || p_o == p -> p_wake = true
				:: p_o != NONE && p_o != p -> skip
#if SIGNALS > 0
				/* Nothing can be done for this one. */
				:: signals > 0 -> signals--; p_with = true
#endif
				fi;
				if
				:: p_wake || p_with ->
					if
					:: home[p] != NONE -> cpu[p] = home[p]; home[p] = NONE
					:: else
					fi;
					pi[p] = false;
					p_mine = false
				:: else
				fi
			}
			if
			:: p_mine ->
				atomic {
					!rq[cpu[p_o]];
					p_c = cpu[p_o];
					if
					:: waits(p_o, p_c) && curr[p_c] != p_o &&
					   (hint != NONE || better(p, p_o)) &&
					   (!stays(p_o, p_l, p_next) ||
					    room(p, p_c)) ->
						assert(!onrq[p] && !oncpu[p]);
						if
						:: !stays(p_o, p_l, p_next) -> skip
						:: stays(p_o, p_l, p_next) && cpu[p] != p_c ->
							/* Try again, from there. */
							if
							:: home[p] == NONE ->
								home[p] = cpu[p]
							:: home[p] == p_c ->
								home[p] = NONE
							:: else
							fi;
							cpu[p] = p_c
						:: stays(p_o, p_l, p_next) && cpu[p] == p_c ->
							mark[p] = true;
							onrq[p] = true;
							if
							:: holds(p) -> note(p, p_c)
							:: else
							fi;
							resched[p_c] = true;
							pi[p] = false;
							p_mine = false
						fi
					:: else ->
						rq[p_c] = true;
						p_full = waits(p_o, p_c) && curr[p_c] != p_o &&
							 (hint != NONE || better(p, p_o));
						p_park = true
					fi
				}
				if
				:: p_park ->
					park(p, p_o, p_l, p_next, p_ok);
					atomic {
						p_park = false;
						rq[p_c] = false;
						if
						:: p_ok == 1 && waits(p_o, p_c) ->
							if
							:: curr[p_c] != p_o && !p_full ->
								list(p_o, p_c);
								resched[p_c] = resched[p_c] || urges[p]
							/* The tick is early enough. */
							:: curr[p_c] != p_o && p_full ->
								pend[p_o] = p_c
							:: else
							fi;
							p_ok = 0;
							p_mine = false
						:: else
						fi;
						p_full = false
					}
					if
					:: p_ok == 1 ->
						settle(p_o);
						p_ok = 0;
						p_mine = false
					:: else
					fi;
					if
					:: !p_mine ->
						atomic {
							if
							:: home[p] != NONE ->
								cpu[p] = home[p];
								home[p] = NONE
							:: else
							fi;
							pi[p] = false
						}
					:: else
					fi
				:: else
				fi
			:: else
			fi
		od;
		p_o = 0; p_c = 0; p_next = false;
		if
		:: p_wake -> p_l = 0; wake(p); p_wake = false
#if SIGNALS > 0
		:: p_with ->
			/* It sleeps. Not so those that went with it. */
#ifndef BUG_WITH	/* QUEUE */
			pass(p_l, p, NONE);
#endif
			p_l = 0;
			p_with = false
#endif
		:: else -> p_l = 0
		fi
	}
}

#define fed(p)	(q[p] == PARKED && group[blocked[p]] == f_o && \
		 !(f_seen & (1 << p)) && \
		 (urges[p] || (!hurry(blocked[p]) && !(f_fed & (1 << blocked[p])))))

/* The rest of a switch on CPU @c, away from @prev; @work if there is some */
inline finish(c, prev, work)
{
	{
		byte f_p, f_from, f_l, f_o;
		byte f_todo, f_fed, f_seen;

		atomic {
			if
			:: prev != NONE && prev != curr[c] -> oncpu[prev] = false
			:: else
			fi;
			f_o = NONE
		}
		do
		:: atomic {
			!work || !rq[c];
			f_p = NONE;
			f_from = OUT(c);
			if
			:: !work -> skip
			:: work && q[0] == OUT(c) -> f_p = 0
			:: work && q[0] != OUT(c) && q[1] == OUT(c) -> f_p = 1
			:: work && q[0] != OUT(c) && q[1] != OUT(c) &&
			   q[2] == OUT(c) -> f_p = 2
			/* Those that wait here, and whom they have to help them */
			:: else ->
				f_from = PARKED;
				if
				:: feed[c] ->
					feed[c] = false;
					f_todo = (pend[0] == c -> 1 : 0) +
						 (pend[1] == c -> 2 : 0) +
						 (pend[2] == c -> 4 : 0)
				:: else
				fi;
				do
				:: f_p == NONE && f_o == NONE && (f_todo & 1) ->
					f_o = 0; f_todo = f_todo - 1
				:: f_p == NONE && f_o == NONE && !(f_todo & 1) && (f_todo & 2) ->
					f_o = 1; f_todo = f_todo - 2
				:: f_p == NONE && f_o == NONE && !(f_todo & 3) && (f_todo & 4) ->
					f_o = 2; f_todo = 0
				:: f_p == NONE && f_o != NONE && pend[f_o] != c ->
					/* Gone */
					f_o = NONE; f_fed = 0; f_seen = 0
				:: f_p == NONE && f_o != NONE && pend[f_o] == c &&
				   !holds(f_o) ->
					pend[f_o] = NONE;
					f_o = NONE; f_fed = 0; f_seen = 0
				:: f_p == NONE && f_o != NONE && pend[f_o] == c &&
				   holds(f_o) ->
					/* One of each group, and all in a hurry */
					if
					:: fed(0) -> f_p = 0
					:: fed(1) -> f_p = 1
					:: fed(2) -> f_p = 2
					:: else ->
						f_o = NONE; f_fed = 0; f_seen = 0
					fi
				:: else -> break
				od;
				if
				:: f_p != NONE ->
					f_l = blocked[f_p];
					f_fed = f_fed | (1 << f_l);
					f_seen = f_seen | (1 << f_p)
				:: else
				fi
			fi
		   }
		   if
		   :: f_p == NONE -> break
		   :: else -> place(f_p, f_from, f_l, f_o)
		   fi
		od;
		f_from = 0; f_l = 0; f_p = 0; f_o = 0
	}
}

inline schedule(c, voluntary)
{
	{
		byte s_prev, s_next, s_p, s_o, s_w, s_n, s_l, s_ok;
		bool s_again, s_work;

		busy[c] = true;
		atomic {
			!rq[c];
			s_prev = curr[c];
			resched[c] = false;
			s_l = NONE;
			if
			:: s_prev != NONE && voluntary && state[s_prev] == SLEEPS ->
				s_o = owner[blocked[s_prev]];
				if
#ifdef DELAY
				/* Something keeps it from being left here. */
				:: s_prev == 0 -> late(s_prev) = true
				:: s_prev == 0 -> onrq[s_prev] = false
#endif
#ifdef DEGRADE
				:: degrades(s_prev) -> degrade(s_prev)
#endif
				:: s_o == NONE || s_o == s_prev -> mark[s_prev] = true
				:: s_o != NONE && s_o != s_prev ->
					s_l = blocked[s_prev];
					rq[c] = true
				fi
#ifdef BUG_H7
			/* It sleeps, whatever has happened since it decided to. */
			:: s_prev != NONE && voluntary && state[s_prev] != SLEEPS ->
				state[s_prev] = SLEEPS;
				dequeue(s_prev)
#endif
			:: else
			fi;
			if
			:: s_l == NONE -> goto pick
			:: else
			fi
		}
		atomic {
			if
			:: waits(s_o, c) && (donor[c] != s_prev ||
			   (better(s_prev, s_o) && room(s_prev, c))) ->
				mark[s_prev] = true;
				rq[c] = false;
				goto pick
			:: else
			fi
		}
		park(s_prev, s_o, s_l, false, s_ok);
		if
		:: s_ok == 1 && !waits(s_o, c) ->
			s_again = false;
			stands(s_o, s_again);
			if
			:: !s_again ->
				atomic { s_again = urged[s_o] }
				/* It is about to run on another CPU. */
				atomic {
					s_n = cpu[s_o];
					if
					:: !s_again && s_n != c && !rq[s_n] &&
					   waits(s_o, s_n) ->
						s_ok = 3;
						if
						:: curr[s_n] != s_o -> pend[s_o] = s_n
						:: else
						fi
					/* or its lock is taken */
					:: true -> s_ok = 2
					fi
				}
			:: else
			fi
		:: else
		fi;
		if
		:: s_ok == 2 ->
			/* It is, but that may not be enough. Or is it being woken? */
			atomic {
				!(q[s_prev] == PARKED && bucket[s_l]);
				if
				:: q[s_prev] == PARKED ->
#ifndef BUG_CARRY	/* OTHER */
					unpark(s_prev, s_o, s_l);
#else
					take(s_prev);
#endif
					s_ok = 0
				:: else -> s_ok = 3
				fi
			}
		:: else
		fi;
		atomic {
			if
			:: waits(s_o, c) ->
				/* It has not been able to release the lock. */
				assert(s_ok == 1);
				pend[s_o] = c
			:: !waits(s_o, c) && s_ok == 0 ->
				q[s_prev] = OUT(c);
				OFF(s_prev, true)
			:: else
			fi;
			dequeue(s_prev);
			rq[c] = false;
			s_ok = 0;
pick:
			do
			:: true ->
				s_again = false;
				s_w = NONE;
				s_n = 0;
				if
				:: !other && on(0, c) -> s_p = 0
				:: !other && on(1, c) -> s_p = 1
				:: !other && on(2, c) -> s_p = 2
				:: else -> s_p = NONE
				fi;
				s_next = s_p;
				if
#ifdef DELAY
				:: s_p != NONE && late(s_p) ->
					/* Not for long */
					late(s_p) = false;
					onrq[s_p] = false;
					s_again = true
#endif
				:: else
				fi;
				do
				:: s_again || s_p == NONE -> break
				:: !s_again && s_p != NONE && !mark[s_p] -> break
#ifdef DEGRADE
				:: !s_again && s_p != NONE && mark[s_p] && degrades(s_p) ->
					degrade(s_p);
					s_again = true
#endif
				:: !s_again && s_p != NONE && mark[s_p] ->
					s_o = owner[blocked[s_p]];
					if
					:: (s_o == NONE || s_o == s_p) && home[s_p] == NONE ->
						mark[s_p] = false;
						state[s_p] = RUNNING
					:: s_o != NONE && s_o != s_p && waits(s_o, c) &&
					   s_n < T ->
						s_w = s_p;
						s_p = s_o;
						s_n++
					:: else ->
						/* The last link leaves; so may the others. */
						q[s_p] = OUT(c);
						OFF(s_p, true);
						mark[s_p] = false;
						pend[s_p] = NONE;
						onrq[s_p] = false;
						s_again = true
					fi
				od;
				if
				:: s_again -> skip
				:: else -> break
				fi
			od;
			donor[c] = s_next;
			waiter[c] = s_w;
			if
			:: s_prev != s_p ->
				if
				:: s_p != NONE ->
					/* Nobody on two CPUs */
					assert(!oncpu[s_p]);
					oncpu[s_p] = true
				:: else
				fi;
				if
#ifndef BUG_PICK
				:: s_prev != NONE && holds(s_prev) && waits(s_prev, c) ->
					list(s_prev, c)
#endif
				:: else
				fi
			:: else
			fi;
			if
			:: s_p != NONE -> pend[s_p] = NONE
			:: else
			fi;
			curr[c] = s_p;
			feed[c] = feed[c] && (pend[0] == c || pend[1] == c || pend[2] == c);
			s_work = feed[c] || q[0] == OUT(c) || q[1] == OUT(c) ||
				 q[2] == OUT(c);
			s_again = false;
			s_w = 0; s_p = 0; s_o = 0; s_n = 0; s_next = 0; s_l = 0
		}
		finish(c, s_prev, s_work);
		atomic {
			s_prev = 0;
			s_work = false;
			voluntary = false;
			other = false;
			busy[c] = false;
			consistent()
		}
	}
}

/* @me has released @l, or gives up waiting for it, and is to wake @nx. */
inline unlock(c, me, l, nx)
{
#ifndef BUG_PASS	/* QUEUE */
	pass(l, me, nx);
#endif
	atomic {
		!(waiter[c] != NONE && rq[c]);
		if
		:: waiter[c] != NONE && blocked[waiter[c]] == l ->
			resched[c] = true
		:: else
		fi
	}
	if
	:: nx != NONE -> wake(nx)
	:: else
	fi
}

inline check(c, t)
{
	assert(!mark[t] && q[t] == NONE);
	assert(!misplaced(0) && !misplaced(1) && !misplaced(2));
	assert(on(t, c) && (aff[t] == c || aff[t] == ANY));
	assert(donor[c] == t || (mark[donor[c]] && on(donor[c], c)));
	consistent()
}

/*
 * pc: 0 to 3 are lock 0, lock 1, unlock 1, unlock 0; 4 is the end. A task that
 * does not want a lock passes by.
 */
#define wanted(t)	(want(t) & (pc[t] == 0 || pc[t] == 3 -> 1 : 2))
#define asleep(t)	(pc[t] < 2 && wanted(t) && state[t] == SLEEPS)

proctype Cpu(byte c)
{
	byte me, l, nx;
	bool voluntary, other, release, rebound;

	do
	:: done[0] && done[1] && done[2] && curr[c] == NONE -> break
	:: atomic {
		if
		:: curr[c] == NONE && (resched[c] || on(0, c) || on(1, c) || on(2, c))
		:: curr[c] != NONE && resched[c]
		:: curr[c] != NONE && ticks > 0 && !rq[c] ->
			ticks--;
			feed[c] = (pend[0] == c || pend[1] == c || pend[2] == c);
#if defined(OTHER) || defined(FULL)
			if
			:: other = true
			:: true
			fi
#endif
		:: curr[c] != NONE && asleep(curr[c]) -> voluntary = true
		fi;
		busy[c] = true
	   }
		schedule(c, voluntary)
	:: atomic {
		curr[c] != NONE && !asleep(curr[c]);
		me = curr[c];
		check(c, me);
		l = (pc[me] == 0 || pc[me] == 3 -> 0 : 1);
		if
#ifdef AGAIN
		:: pc[me] == 4 && me == 0 && !again -> again = true; pc[me] = 0
		:: pc[me] == 4 && (me != 0 || again) ->
#else
		:: pc[me] == 4 ->
#endif
			/* Gone, as a sleeper that waits for no lock */
			!(group[0] == me && bucket[0]) && !(group[1] == me && bucket[1]);
			if
			:: group[0] == me -> drop(0)
			:: else
			fi;
			if
			:: group[1] == me -> drop(1)
			:: else
			fi;
			done[me] = true;
			state[me] = SLEEPS;
			onrq[me] = false;
			oncpu[me] = false;
			curr[c] = NONE;
			donor[c] = NONE;
			waiter[c] = NONE;
			resched[c] = true
		:: pc[me] != 4 && !wanted(me) ->
			pc[me]++
		:: pc[me] < 2 && wanted(me) ->
			if
			:: owner[l] == NONE || (owner[l] == me && handed[l]) ->
				owner[l] = me;
				handed[l] = false;
				blocked[me] = NONE;
				pc[me]++
			:: owner[l] != NONE && owner[l] != me ->
				blocked[me] = l;
				state[me] = SLEEPS
#if SIGNALS > 0
			:: owner[l] != NONE && owner[l] != me && blocked[me] == l &&
			   signals > 0 ->
				/* Gives up */
				signals--;
				blocked[me] = NONE;
				pc[me] = (pc[me] == 1 -> 3 : 4);
				nx = NONE;
				release = true
#endif
			fi
#ifdef BUG_H17
		/* Who pays is asked before preemption is off. */
		:: (pc[me] == 2 || pc[me] == 3) && wanted(me) && !sampled[me] ->
			sample[me] = waiter[c];
			sampled[me] = true
		:: (pc[me] == 2 || pc[me] == 3) && wanted(me) && sampled[me] ->
			nx = sample[me];
			sampled[me] = false;
#else
		:: (pc[me] == 2 || pc[me] == 3) && wanted(me) ->
			nx = waiter[c];
#endif
			if
			:: nx != NONE && blocked[nx] == l ->
				owner[l] = nx;
				handed[l] = true
			:: else ->
				/* A waiter that pays must get it. */
				assert(waiter[c] == NONE || blocked[waiter[c]] != l);
				owner[l] = NONE;
				if
				:: blocked[0] == l -> nx = 0
				:: blocked[1] == l -> nx = 1
				:: blocked[2] == l -> nx = 2
				:: else -> nx = NONE
				fi;
#if SIGNALS > 0
				if
				/* MUTEX_FLAG_HANDOFF */
				:: nx != NONE && signals > 0 ->
					signals--;
					owner[l] = nx;
					handed[l] = true
				:: true
				fi
#endif
			fi;
			pc[me]++;
			release = true
		fi;
		busy[c] = release;
		if
		:: !release -> me = 0; l = 0; nx = 0
		:: else
		fi
	   }
		if
		:: release ->
			unlock(c, me, l, nx);
			atomic {
				release = false;
				busy[c] = false;
				me = 0; l = 0; nx = 0
			}
		:: else
		fi
	od
}

#if SIGNALS > 0
/* Placed anew: parked, or blocked on a runqueue */
#define replaced(t)	(!pi[t] && !rq[cpu[t]] && \
			 ((q[t] == PARKED && !bucket[blocked[t]]) || \
			  (q[t] == NONE && onrq[t] && mark[t])))

/* Wakes a waiter for no reason, as a signal would, or has a group fall apart. */
proctype Whim()
{
	byte g_t;

end:
	do
	:: atomic {
		signals > 0 && (blocked[0] != NONE || blocked[1] != NONE ||
				blocked[2] != NONE);
		if
		:: blocked[0] != NONE -> g_t = 0
		:: blocked[1] != NONE -> g_t = 1
		:: blocked[2] != NONE -> g_t = 2
		fi;
		signals--
	   }
		wake(g_t);
		g_t = 0
	/* Its priority has risen. */
	:: atomic {
		signals > 0 && best == NONE &&
			(replaced(0) || replaced(1) || replaced(2));
		if
		:: replaced(0) -> g_t = 0
		:: replaced(1) -> g_t = 1
		:: replaced(2) -> g_t = 2
		fi;
		signals--;
		best = g_t;
		if
		:: q[g_t] == PARKED -> take(g_t)
		:: q[g_t] != PARKED -> dequeue(g_t)
		fi;
		q[g_t] = OUT(cpu[g_t]);
		OFF(g_t, true);
		resched[cpu[g_t]] = true;
		g_t = 0
	   }
	:: atomic {
		signals > 0 && ((group[0] != NONE && !bucket[0]) ||
				(group[1] != NONE && !bucket[1]));
		if
		:: group[0] != NONE && !bucket[0] -> g_t = 0
		:: group[1] != NONE && !bucket[1] -> g_t = 1
		fi;
		signals--;
#ifndef BUG_OFF
		drop(g_t);
		g_t = 0
	   }
#else
		/* Off the list now, and found to be so later */
		if
		:: member(0, g_t) -> take(0); off[0] = true; g_t = 0
		:: member(1, g_t) -> take(1); off[1] = true; g_t = 1
		:: member(2, g_t) -> take(2); off[2] = true; g_t = 2
		fi
	   }
		atomic { off[g_t] = false; g_t = 0 }
#endif
	od
}
#endif

#ifdef DEGRADE
/* Its class changes, for instance. */
proctype Demote()
{
	byte d_t;

end:
	atomic {
		demoted(0) || demoted(1) || demoted(2);
		if
		:: demoted(0) -> d_t = 0
		:: demoted(1) -> d_t = 1
		:: demoted(2) -> d_t = 2
		fi;
		resched[cpu[d_t]] = true;
		degrade(d_t);
		d_t = 0
	}
}
#endif

init
{
	atomic {
#ifndef QUEUE
		aff[0] = ANY;
#endif
		aff[1] = 1;
		aff[2] = 0;
		cpu[1] = 1;
		onrq[0] = true;
		onrq[1] = true;
		onrq[2] = true;
		if
		:: best = 0
		:: best = 1
		:: best = 2
		:: best = NONE
		fi;
		run Cpu(0);
#if SIGNALS > 0
		run Whim();
#endif
#ifdef DEGRADE
		run Demote();
#endif
		run Cpu(1)
	}
}
