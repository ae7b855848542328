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
 *	park()			proxy_park()
 *	bind(), take(), drop()	proxy_bind(), __proxy_take(), proxy_drop()
 *	waits()			proxy_owner_here()
 *	owns(), will()		proxy_owns(), proxy_still_owner()
 *	holds()			proxy_has_donors()
 *	stands()		proxy_stands()
 *	better()		proxy_improves()
 *	list(), note()		proxy_list(), __proxy_note()
 *	settle()		proxy_settle()
 *	unlock(), pass_on()	__sched_proxy_unlock(), proxy_pass_on()
 *	wake()			try_to_wake_up(), __proxy_claim(), __proxy_wake(),
 *				proxy_activated(), proxy_undelayed()
 *
 * Checked: no task on two CPUs; no blocked task runs, and none that is parked;
 * none runs off its home; a CPU runs for another only while that is blocked and
 * queued there; a mutex released on the time of a waiter goes to that; nobody is
 * parked on a task that waits for a CPU and is not listed there, or that has
 * nothing to do with the lock; one that is in a hurry does not wait for the tick,
 * and nor do those it has to go through; a CPU lists only tasks that wait for it;
 * and all tasks end, so no wakeup is lost. BUG_* plants a fault that one of these
 * has to find.
 */
#define T	3
#define L	2
#define C	2
#define NONE	7
#define ANY	6
#ifdef BUG_OFF
#undef SIGNALS
#endif
#ifdef BUG_REBIND	/* QUEUE */
#define BUG_REST
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
 * middle stays out of this, in delayed dequeue for a while.
 */
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
byte ticks = TICKS - LESS;	/* preemptions for no other reason */
byte best;		/* the task that is better than the others, if any */

#define on(t, c)	(onrq[t] && cpu[t] == c)
#define waits(t, c)	(on(t, c) && !late(t))
#define member(t, l)	(q[t] == PARKED && blocked[t] == l)
#define holds(t)	(group[0] == t || group[1] == t)
#define owns(o, l)	(owner[l] == o)
#define will(o, l)	(owner[l] == o || blocked[o] == l)
#define better(t, o)	(best == t || urged[t])
#define hurry(l)	((member(0, l) && urges[0]) || \
			 (member(1, l) && urges[1]) || \
			 (member(2, l) && urges[2]))

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
		:: !member(0, blocked[t]) && !member(1, blocked[t]) &&
		   !member(2, blocked[t]) ->
			t_g = group[blocked[t]];
			group[blocked[t]] = NONE;
			unbind(t_g);
			t_g = 0
		:: else
		fi
	}
}

/* All that are parked for @l wait like anybody else. */
inline drop(l)
{
	{
		byte d_i;

		d_i = 0;
		do
		:: d_i < T ->
			if
			:: member(d_i, l) -> take(d_i)
			:: else
			fi;
			d_i++
		:: else -> break
		od;
		d_i = 0
	}
}

inline give(l, o)
{
	if
	:: !done[o] -> bind(l, o)
	/* Exited */
	:: else -> drop(l)
	fi
}

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

/* @ok: was it, or was @o found dead? */
inline park(p, o, l, ok)
{
	atomic {
		!bucket[l];
		if
		/* It has released the lock, and waits for it itself. */
		:: member(o, l) -> ok = 0
		:: !member(o, l) && (group[l] == NONE || group[l] == o) -> ok = 1
		:: !member(o, l) && group[l] != NONE && group[l] != o ->
#ifndef BUG_REBIND
			ok = (owns(o, l) -> 1 : 0);
#else
			ok = 1;
#endif
			rebound = (ok != 0)
		fi;
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
#ifndef BUG_STILL	/* QUEUE */
			if
			:: !will(o, l) && q[p] == PARKED ->
				take(p);
				ok = 0;
#ifndef BUG_REST	/* AGAIN */
				/* @o has not seen those that it was given. */
				if
				:: rebound && group[l] == o -> bind(l, p)
				:: else
				fi
#endif
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
				:: !waits(e_o, cpu[e_o]) && urged[e_o] &&
				   q[e_o] == PARKED ->
					e_l = blocked[e_o]
				:: else ->
					e_o = NONE
				fi
			}
			if
			:: e_o != NONE ->
				/* Those that it waits for are in a hurry. */
				atomic {
					!bucket[e_l];
					if
					:: member(e_o, e_l) && group[e_l] != e_o ->
						urges[e_o] = true;
						urged[group[e_l]] = true;
						e_o = group[e_l]
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

/*
 * @p is on its way from @from, or parked for @fl on @hint, and goes to where its
 * owner is.
 */
inline place(p, from, fl, hint)
{
	{
		byte p_o, p_l, p_c, p_ok;
		bool p_mine, p_wake, p_park;

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
					p_o = hint
				:: else
				fi;
				if
				:: p_o == NONE || p_o == p ->
					if
					:: home[p] != NONE -> cpu[p] = home[p]; home[p] = NONE
					:: else
					fi;
					pi[p] = false;
					p_mine = false;
					p_wake = true
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
					   (hint != NONE || better(p, p_o)) ->
						assert(!onrq[p] && !oncpu[p]);
						if
						:: !will(p_o, p_l) -> skip
						:: will(p_o, p_l) && cpu[p] != p_c ->
							/* Try again, from there. */
							if
							:: home[p] == NONE ->
								home[p] = cpu[p]
							:: home[p] == p_c ->
								home[p] = NONE
							:: else
							fi;
							cpu[p] = p_c
						:: will(p_o, p_l) && cpu[p] == p_c ->
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
						p_park = true
					fi
				}
				if
				:: p_park ->
					park(p, p_o, p_l, p_ok);
					atomic {
						p_park = false;
						rq[p_c] = false;
						if
						:: p_ok == 1 && waits(p_o, p_c) ->
							if
							:: curr[p_c] != p_o ->
								list(p_o, p_c);
								resched[p_c] = resched[p_c] || urges[p]
							:: else
							fi;
							p_ok = 0;
							p_mine = false
						:: else
						fi
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
		p_o = 0; p_l = 0; p_c = 0;
		if
		:: p_wake -> wake(p); p_wake = false
		:: else
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
			:: waits(s_o, c) && (donor[c] != s_prev || better(s_prev, s_o)) ->
				mark[s_prev] = true;
				rq[c] = false;
				goto pick
			:: else
			fi
		}
		park(s_prev, s_o, s_l, s_ok);
		if
		:: s_ok == 1 && !waits(s_o, c) ->
			s_again = false;
			stands(s_o, s_again);
			if
			:: !s_again ->
				/* It is about to run on another CPU. */
				atomic {
					s_n = cpu[s_o];
					if
					:: !urged[s_o] && s_n != c && !rq[s_n] &&
					   waits(s_o, s_n) ->
						s_ok = 3;
						if
						:: curr[s_n] != s_o -> list(s_o, s_n)
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
		atomic {
			/* 0: not parked; 2: parked, but that may not be enough */
			!(s_ok == 2 && q[s_prev] == PARKED && bucket[s_l]);
			if
			:: waits(s_o, c) ->
				/* It has not been able to release the lock. */
				assert(s_ok == 1);
				note(s_o, c);
				dequeue(s_prev)
			:: !waits(s_o, c) && s_ok == 2 && q[s_prev] == PARKED ->
				take(s_prev);
				q[s_prev] = OUT(c);
				OFF(s_prev, true);
				dequeue(s_prev)
			:: !waits(s_o, c) && s_ok == 0 ->
				q[s_prev] = OUT(c);
				OFF(s_prev, true);
				dequeue(s_prev)
			:: else ->
				dequeue(s_prev)
			fi;
			rq[c] = false;
			s_ok = 0;
pick:
			do
			:: true ->
				s_again = false;
				s_w = NONE;
				s_n = 0;
				if
				:: on(0, c) -> s_p = 0
				:: on(1, c) -> s_p = 1
				:: on(2, c) -> s_p = 2
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
			busy[c] = false
		}
	}
}

/* With the lock of the bucket: those that are parked for @l go on to @o. */
inline pass_on(l, o, w)
{
	{
		byte a_k;

		if
		:: o == NONE -> o = owner[l]
		:: else
		fi;
		a_k = (member(0, l) -> 0 : (member(1, l) -> 1 : 2));
		if
		:: o == NONE -> o = a_k; w = a_k
		:: else
		fi;
		if
		:: !hurry(l) -> urges[a_k] = better(a_k, o)
		:: else
		fi;
		a_k = 0;
		give(l, o);
		o = (done[o] -> NONE : o);
		bucket[l] = (o != NONE)
	}
}

/* @me has released @l, or gives up waiting for it, and is to wake @nx. */
inline unlock(c, me, l, nx)
{
	{
		byte u_o, u_w;
		bool u_ok;

		atomic {
			!(holds(me) && bucket[l]);
			u_w = NONE;
			u_o = NONE;
#ifndef BUG_PASS	/* QUEUE */
			if
			:: group[l] == me ->
				bucket[l] = true;
				u_o = nx;
				pass_on(l, u_o, u_w)
			:: else
			fi
#endif
		}
		do
		:: u_o == NONE || u_ok -> break
		:: u_o != NONE && !u_ok ->
			/* Is it still the one? */
			atomic {
				if
				:: will(u_o, l) ->
					bucket[l] = false;
					u_ok = true
				:: else ->
					u_o = NONE;
					pass_on(l, u_o, u_w)
				fi
			}
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
		atomic {
			!(waiter[c] != NONE && rq[c]);
			if
			:: waiter[c] != NONE && blocked[waiter[c]] == l ->
				resched[c] = true
			:: else
			fi;
			u_ok = false;
			u_o = 0;
			u_w = 0
		}
		if
		:: nx != NONE -> wake(nx)
		:: else
		fi
	}
}

#define quiet	(!busy[0] && !busy[1] && !pi[0] && !pi[1] && !pi[2])

/* Off all CPUs, but could run */
#define stuck(o)	(onrq[o] && !late(o) && curr[cpu[o]] != o)

/* Parked on nobody, or on a task that waits for a CPU and is not listed */
#define forgotten(p)	(q[p] == PARKED && (group[blocked[p]] == NONE || \
			 (stuck(group[blocked[p]]) && \
			  pend[group[blocked[p]]] == NONE)))

/* Parked on a task that neither has the lock nor waits for it */
#define astray(p)	(q[p] == PARKED && !will(group[blocked[p]], blocked[p]))

/* or on one that is itself parked for that lock */
#define circular(p)	(q[p] == PARKED && member(group[blocked[p]], blocked[p]))

/* It is in a hurry, but the task it is parked on will wait for the tick. */
#define late_for(o)	(stuck(o) && !(feed[cpu[o]] && resched[cpu[o]]))
/* or is parked, and is not in a hurry */
#define lost_in(o)	(q[o] == PARKED && !urges[o] && group[blocked[o]] != o)
#define lost(p)		(q[p] == PARKED && urges[p] && \
			 (late_for(group[blocked[p]]) || lost_in(group[blocked[p]])))

/* Listed as waiting for a CPU, and does not, or not for that one */
#define misplaced(t)	(pend[t] != NONE && !waits(t, pend[t]))

inline check(c, t)
{
	assert(!mark[t] && q[t] == NONE);
	assert(!misplaced(0) && !misplaced(1) && !misplaced(2));
	assert(on(t, c) && (aff[t] == c || aff[t] == ANY));
	assert(donor[c] == t || (mark[donor[c]] && on(donor[c], c)));
	assert(!quiet || !(forgotten(0) || forgotten(1) || forgotten(2)));
	assert(!quiet || !(astray(0) || astray(1) || astray(2)));
	assert(!quiet || !(circular(0) || circular(1) || circular(2)));
	assert(!quiet || !(lost(0) || lost(1) || lost(2)))
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
	bool voluntary, release, rebound;

	do
	:: done[0] && done[1] && done[2] && curr[c] == NONE -> break
	:: atomic {
		if
		:: curr[c] == NONE && (resched[c] || on(0, c) || on(1, c) || on(2, c))
		:: curr[c] != NONE && resched[c]
		:: curr[c] != NONE && ticks > 0 && !rq[c] ->
			ticks--;
			feed[c] = (pend[0] == c || pend[1] == c || pend[2] == c)
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
				fi
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
		run Cpu(1)
	}
}
