/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the protocol of kernel/sched/proxy.c for spin: three tasks, two
 * mutexes, two CPUs. One atomic block stands for what is done under one lock;
 * between two of them anything can happen on the other CPU. Scheduling has no
 * priorities: any task on the runqueue can be picked.
 *
 *	here			kernel
 *	----			------
 *	lock(), unlock()	__mutex_lock_common(), __mutex_unlock_slowpath()
 *	schedule()		__schedule(), __proxy_keep(), __find_proxy_task()
 *	finish()		finish_task(), proxy_balance(), proxy_feed()
 *	place()			proxy_place(), proxy_try_place()
 *	settle()		proxy_settle()
 *	pass_on()		proxy_pass_on()
 *	wake()			try_to_wake_up(), __proxy_wake()
 *
 * Checked: no task on two CPUs; no blocked task runs; none runs off its home; a
 * CPU runs for another only while that is blocked and queued there; a mutex
 * released on the time of a waiter goes to that; nobody is parked on a task
 * that waits for a CPU and does not know, or that has nothing to do with the
 * lock; a CPU lists only tasks that wait for it; and all tasks end, so no wakeup
 * is lost. BUG_* plants a fault that one of these has to find.
 */
#define T	3
#define L	2
#define C	2
#define NONE	7
#define ANY	6
#ifndef SIGNALS
#define SIGNALS	1
#endif
#ifndef TICKS
#define TICKS	2
#endif
#define OUT(c)	(4 + (c))	/* outbox of a CPU, as a value of q[] */

byte owner[L] = NONE;
bool handed[L];

byte blocked[T] = NONE;	/* blocked_on */
bool sleeping[T];	/* __state */
bool mark[T];		/* proxy.blocked */
bool onrq[T];
bool oncpu[T];
byte cpu[T];
byte home[T] = NONE;
byte aff[T];		/* the CPU it may run on */
byte q[T] = NONE;	/* a task it is parked on, OUT(c), NONE */
byte pend[T] = NONE;	/* in proxy_pending of this CPU */
bool pi[T];		/* pi_lock */
byte pc[T];
bool done[T];
#ifdef BUG_H17
byte sample[T];
bool sampled[T];
#endif

byte curr[C] = NONE;
byte donor[C] = NONE;
byte waiter[C] = NONE;
bool resched[C];
bool busy[C];
byte signals = SIGNALS;	/* spurious wakeups to come */
byte ticks = TICKS;	/* preemptions for no other reason */

/*
 * What a task does: takes the locks of a byte, low bit first. CHAIN: the second
 * waits for the first, which waits for the third. QUEUE: two wait for one.
 */
#ifndef QUEUE
#define want(t)		(t == 0 -> 3 : (t == 1 -> 1 : 2))
#else
#define want(t)		1
#endif

#define runnable_here(t, c)	(onrq[t] && cpu[t] == c)

inline parked_on(o, r)
{
	r = (q[0] == o || q[1] == o || q[2] == o)
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

/* With the lock of CPU @c, where @t may be queued */
inline note(t, c)
{
	if
#ifndef BUG_HERE
	:: onrq[t] && cpu[t] == c && curr[c] != t ->
#else
	:: onrq[t] && curr[c] != t ->
#endif
		pend[t] = c; resched[c] = true
	:: else
	fi
}

/* E1 to E3 of proxy_settle() */
inline enqueue(t)
{
	{
		bool e_d;
		e_d = false;
		onrq[t] = true;
		parked_on(t, e_d);
		if
		:: e_d -> pend[t] = cpu[t]
		:: else
		fi;
		resched[cpu[t]] = true
	}
}

inline wake(t)
{
	{
		bool w_full;
		w_full = false;
		atomic {
			!pi[t];
			if
			:: !sleeping[t] -> skip
			:: sleeping[t] && onrq[t] && mark[t] && donor[cpu[t]] == t &&
			   home[t] == NONE ->
				/* The donor goes on right here, and at once. */
				mark[t] = false;
				sleeping[t] = false;
#ifndef BUG_H1
				reset_donor(cpu[t]);
				resched[cpu[t]] = true
#endif
			:: sleeping[t] && onrq[t] && mark[t] &&
			   !(donor[cpu[t]] == t && home[t] == NONE) ->
				if
				:: waiter[cpu[t]] != NONE -> resched[cpu[t]] = true
				:: else
				fi;
				dequeue(t);
				w_full = true
			:: sleeping[t] && onrq[t] && !mark[t] ->
				/* It has not come to schedule() yet. */
				sleeping[t] = false
			:: sleeping[t] && !onrq[t] ->
				w_full = true
			fi;
			if
			:: w_full ->
				pi[t] = true;
#ifndef BUG_CLAIM
				q[t] = NONE
#endif
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
				sleeping[t] = false;
				enqueue(t);
				pi[t] = false
			}
		:: else
		fi
	}
}

inline settle(o)
{
#ifndef BUG_H28
	{
		byte e_c;
		e_c = cpu[o];
		atomic { note(o, e_c); e_c = 0 }
	}
#else
	skip
#endif
}

#define owns(o, l)	(owner[l] == o || blocked[o] == l)

/* @p is in queue @from, and goes to where its owner is. */
inline place(p, from)
{
	{
		byte p_o, p_l;
		bool p_mine, p_again, p_wake, p_park;

		p_wake = false;
		p_again = false;
		p_mine = false;
		p_park = false;
		atomic {
			!pi[p];
			if
			:: q[p] == from -> q[p] = NONE; pi[p] = true; p_mine = true
			:: else
			fi
		}
		do
		:: !p_mine -> break
		:: p_mine ->
			p_again = false;
			p_l = blocked[p];
			p_o = owner[p_l];
			if
			:: p_o == NONE || p_o == p -> p_wake = true
			:: else ->
				atomic {
					if
					:: onrq[p_o] && curr[cpu[p_o]] != p_o && !owns(p_o, p_l) ->
						p_again = true
					:: onrq[p_o] && curr[cpu[p_o]] != p_o && owns(p_o, p_l) ->
						assert(!onrq[p] && !oncpu[p]);
						if
						:: home[p] == NONE && cpu[p] != cpu[p_o] ->
							home[p] = cpu[p]
						:: home[p] == cpu[p_o] -> home[p] = NONE
						:: else
						fi;
						cpu[p] = cpu[p_o];
						mark[p] = true;
						enqueue(p);
						pi[p] = false;
						p_mine = false
					:: onrq[p_o] && curr[cpu[p_o]] == p_o ->
						q[p] = p_o
					/* Nothing keeps it from waking up on another CPU. */
					:: !onrq[p_o] -> p_park = true
					fi
				}
				if
				:: p_park -> q[p] = p_o; p_park = false
				:: else
				fi;
				if
				:: p_mine && !p_again ->
					/* Parked. Is it still the one? */
					atomic {
						if
#ifndef BUG_STILL
						:: !owns(p_o, p_l) ->
#else
						:: false ->
#endif
							if
							:: q[p] == p_o -> q[p] = NONE; p_again = true
							:: else ->
								/* passed on meanwhile */
								q[p] = NONE; p_again = true
							fi
						:: else
						fi
					}
					if
					:: !p_again -> settle(p_o)
					:: else
					fi
				:: else
				fi
			fi;
			if
			:: p_mine && p_again -> skip
			:: p_mine && !p_again ->
				atomic {
					if
					:: home[p] != NONE -> cpu[p] = home[p]; home[p] = NONE
					:: else
					fi;
					pi[p] = false
				}
				p_mine = false
			:: else
			fi
		od;
		if
		:: p_wake -> wake(p)
		:: else
		fi
	}
}

/* The rest of a switch on CPU @c, away from @prev */
inline finish(c, prev)
{
	{
		byte f_i, f_j;

		if
		:: prev != NONE && prev != curr[c] -> oncpu[prev] = false
		:: else
		fi;
		f_i = 0;
		do
		:: f_i < T ->
			if
			:: q[f_i] == OUT(c) -> place(f_i, OUT(c))
			:: else
			fi;
			f_i++
		:: else -> break
		od;
		/* Those that wait here, and whom they have to help them */
		f_j = 0;
		do
		:: f_j < T ->
			if
			:: pend[f_j] == c ->
				f_i = 0;
				do
				:: f_i < T ->
					if
					:: q[f_i] == f_j -> place(f_i, f_j)
					:: else
					fi;
					f_i++
				:: else -> break
				od
			:: else
			fi;
			f_j++
		:: else -> break
		od;
		f_i = 0;
		f_j = 0
	}
}

inline schedule(c, voluntary)
{
	{
		byte s_prev, s_next, s_p, s_o, s_w, s_n;
		bool s_again;

		busy[c] = true;
		atomic {
			s_prev = curr[c];
			resched[c] = false;
			if
			:: s_prev != NONE && voluntary && sleeping[s_prev] ->
				s_o = owner[blocked[s_prev]];
				if
				:: s_o == NONE || (s_o != s_prev && runnable_here(s_o, c)) ->
					mark[s_prev] = true
				:: else ->
					q[s_prev] = OUT(c);
					dequeue(s_prev)
				fi
#ifdef BUG_H7
			/* It sleeps, whatever has happened since it decided to. */
			:: s_prev != NONE && voluntary && !sleeping[s_prev] ->
				sleeping[s_prev] = true;
				dequeue(s_prev)
#endif
			:: else
			fi;
			do
			:: true ->
				s_again = false;
				s_next = NONE;
				if
				:: runnable_here(0, c) -> s_next = 0
				:: runnable_here(1, c) -> s_next = 1
				:: runnable_here(2, c) -> s_next = 2
				:: !runnable_here(0, c) && !runnable_here(1, c) &&
				   !runnable_here(2, c) -> s_next = NONE
				fi;
				donor[c] = s_next;
				s_w = NONE;
				s_n = 0;
				s_p = s_next;
				do
				:: s_p == NONE -> break
				:: s_p != NONE && !mark[s_p] -> break
				:: s_p != NONE && mark[s_p] ->
					s_o = owner[blocked[s_p]];
					if
					:: (s_o == NONE || s_o == s_p) && home[s_p] == NONE ->
						mark[s_p] = false;
						sleeping[s_p] = false
					:: s_o != NONE && s_o != s_p && runnable_here(s_o, c) &&
					   s_n < T ->
						s_w = s_p;
						s_p = s_o;
						s_n++
					:: else ->
						/* The last link leaves; so may the others. */
						curr[c] = s_prev;
						q[s_p] = OUT(c);
						if
						:: donor[c] == s_p -> donor[c] = s_prev
						:: else
						fi;
						waiter[c] = NONE;
						mark[s_p] = false;
						pend[s_p] = NONE;
						onrq[s_p] = false;
						s_again = true;
						break
					fi
				od;
				if
				:: s_again -> skip
				:: else -> break
				fi
			od;
			s_next = s_p;
			waiter[c] = s_w;
			if
			:: s_prev != s_next ->
				if
				:: s_next != NONE ->
					/* Nobody on two CPUs */
					assert(!oncpu[s_next]);
					oncpu[s_next] = true;
					pend[s_next] = NONE
				:: else
				fi;
				if
				:: s_prev != NONE && onrq[s_prev] ->
					parked_on(s_prev, s_again);
					if
					:: s_again -> pend[s_prev] = c
					:: else
					fi
				:: else
				fi
			:: else
			fi;
			curr[c] = s_next;
			s_again = false;
			s_w = NONE; s_p = 0; s_o = 0; s_n = 0; s_next = 0
		}
		finish(c, s_prev);
		s_prev = 0;
		busy[c] = false
	}
}

/* Those who wait for @l and are parked here go on to @to. */
inline pass_on(me, l, to)
{
	{
		byte a_k;
		bool a_moved;

		a_moved = false;
		atomic {
			a_k = 0;
			do
#ifdef BUG_PASS
			:: true -> break
#endif
			:: a_k < T ->
				if
				:: to != NONE && q[a_k] == me && blocked[a_k] == l && a_k != to ->
					q[a_k] = to;
					a_moved = true
				:: else
				fi;
				a_k++
			:: else -> break
			od;
			a_k = 0
		}
		if
		:: a_moved && owns(to, l) -> settle(to)
#ifndef BUG_PASS
		:: else ->
#else
		:: else -> skip
		:: false ->
#endif
			a_k = 0;
			do
			:: a_k < T ->
				if
				:: a_moved && q[a_k] == to && blocked[a_k] == l -> place(a_k, to)
				:: !a_moved && q[a_k] == me && blocked[a_k] == l -> place(a_k, me)
				:: else
				fi;
				a_k++
			:: else -> break
			od;
			a_k = 0
		fi;
		a_moved = false
	}
}

inline unlock(c, me, l)
{
	{
		byte u_w, u_nx;

		busy[c] = true;
		atomic {
#ifndef BUG_H17
			u_w = waiter[c];
#else
			u_w = sample[me];
			sampled[me] = false;
#endif
			u_nx = NONE;
			if
			:: u_w != NONE && blocked[u_w] == l ->
				owner[l] = u_w;
				handed[l] = true;
				u_nx = u_w
			:: else ->
				/* A waiter that pays must get it. */
				assert(waiter[c] == NONE || blocked[waiter[c]] != l);
				owner[l] = NONE;
				if
				:: blocked[0] == l -> u_nx = 0
				:: blocked[1] == l -> u_nx = 1
				:: blocked[2] == l -> u_nx = 2
				:: blocked[0] != l && blocked[1] != l && blocked[2] != l
				fi
			fi
		}
		if
		:: u_nx != NONE -> wake(u_nx)
		:: else
		fi;
		pass_on(me, l, u_nx);
		if
		:: waiter[c] != NONE && blocked[waiter[c]] == l -> resched[c] = true
		:: else
		fi;
		u_w = 0;
		u_nx = 0;
		busy[c] = false
	}
}

#define quiet	(!busy[0] && !busy[1] && !pi[0] && !pi[1] && !pi[2])

/* Parked on a task that waits for a CPU, and has not been told */
#define forgotten(p)	(q[p] < T && onrq[q[p]] && curr[cpu[q[p]]] != q[p] && \
			 pend[q[p]] == NONE)

/* Parked on a task that neither has the lock nor waits for it */
#define astray(p)	(q[p] < T && !owns(q[p], blocked[p]))

/* Listed as waiting for a CPU, and does not, or not for that one */
#define misplaced(t)	(pend[t] != NONE && !(onrq[t] && cpu[t] == pend[t]))

inline check(c, t)
{
	assert(!mark[t]);
	assert(!misplaced(0) && !misplaced(1) && !misplaced(2));
	assert(onrq[t] && cpu[t] == c && (aff[t] == c || aff[t] == ANY));
	assert(donor[c] == t || (mark[donor[c]] && onrq[donor[c]] &&
				 cpu[donor[c]] == c));
	assert(!quiet || !(forgotten(0) || forgotten(1) || forgotten(2)));
	assert(!quiet || !(astray(0) || astray(1) || astray(2)))
}

/*
 * pc: 0 to 3 are lock 0, lock 1, unlock 1, unlock 0; 4 is the end. A task that
 * does not want a lock passes by.
 */
proctype Cpu(byte c)
{
	byte me, l;

	do
	:: done[0] && done[1] && done[2] && curr[c] == NONE -> break
	:: atomic { curr[c] == NONE && (resched[c] || runnable_here(0, c) ||
		    runnable_here(1, c) || runnable_here(2, c)) ->
		    busy[c] = true }
		schedule(c, false)
	:: atomic { curr[c] != NONE && resched[c] -> busy[c] = true }
		schedule(c, false)
	:: atomic { curr[c] != NONE && ticks > 0 -> ticks--; busy[c] = true }
		schedule(c, false)
	:: atomic { curr[c] != NONE -> me = curr[c]; check(c, me) }
		l = (pc[me] == 0 || pc[me] == 3 -> 0 : 1);
		if
		:: pc[me] == 4 ->
			/* Gone */
			atomic {
				done[me] = true;
				sleeping[me] = true;
				blocked[me] = NONE;
				busy[c] = true;
				/* as a sleeper that waits for no lock */
				if
				:: donor[c] == me -> donor[c] = NONE
				:: else
				fi;
				onrq[me] = false;
				pend[me] = NONE;
				oncpu[me] = false;
				curr[c] = NONE;
				donor[c] = NONE;
				waiter[c] = NONE;
				resched[c] = true;
				busy[c] = false
			}
		:: pc[me] != 4 && !(want(me) & (1 << l)) ->
			pc[me]++
		:: pc[me] < 2 && (want(me) & (1 << l)) && !sleeping[me] ->
			atomic {
				if
				:: owner[l] == NONE ||
				   (owner[l] == me && handed[l]) ->
					owner[l] = me;
					handed[l] = false;
					blocked[me] = NONE;
					pc[me]++
				:: else ->
					blocked[me] = l;
					sleeping[me] = true
				fi
			}
		:: pc[me] < 2 && (want(me) & (1 << l)) && sleeping[me] ->
			schedule(c, true)
		:: (pc[me] == 2 || pc[me] == 3) && (want(me) & (1 << l)) ->
#ifdef BUG_H17
			/* Who pays is asked before preemption is off. */
			if
			:: !sampled[me] ->
				sample[me] = waiter[c];
				sampled[me] = true
			:: else ->
				unlock(c, me, l);
				pc[me]++
			fi
#else
			unlock(c, me, l);
			pc[me]++
#endif
		fi
	od
}

/* Wakes a waiter for no reason, as a signal would. */
proctype Signal()
{
end:
	do
	:: atomic { signals > 0 && (blocked[0] != NONE || blocked[1] != NONE ||
				    blocked[2] != NONE) -> signals-- }
		if
		:: blocked[0] != NONE -> wake(0)
		:: blocked[1] != NONE -> wake(1)
		:: blocked[2] != NONE -> wake(2)
		:: true
		fi
	od
}

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
		run Cpu(0);
		run Cpu(1);
		run Signal()
	}
}
