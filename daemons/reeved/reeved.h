/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The root process. It accepts, stamps who is there, and hands the connection
 * to the core; it does the few privileged things the core asks for, within the
 * config. It reads no byte that a client wrote.
 *
 *   main.c    command line, start and stop, signals
 *   config.c  runs reeve-conf; holds the config that is in force
 *   reload.c  a new config, in force on both sides or on none
 *   child.c   starts the other programs with as little as they need
 *   core.c    the core's life: start, messages out, death, restart
 *   upgrade.c another program in the place of this one
 *   handover.c what it gets
 *   fdstore.c what the service manager keeps for the next one
 *   journal.c what outlives the core, and this process
 *   door.c    the listening sockets
 *   client.c  the connections that were handed over
 *   inbox.c   what the core sends
 *   ops.c     what the core may ask for
 *   netd.c    the message stack's life
 *   cgroups.c the cgroups under a cpuset, and what they had before
 *   state.c   where it is kept what was before
 *   nic*.c    network interfaces: see nic.h
 *   loader.c  runs reeve-bpf for them
 */
#ifndef REEVED_H
#define REEVED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/fd.h"
#include "handover.h"
#include "loop/loop.h"
#include "mech/cgroup.h"
#include "model/conf.h"
#include "nic.h"
#include "privproto/privproto.h"
#include "privproto/queue.h"

struct options {
	const char *config; /* NULL: the default, which need not exist */
	const char *runtime_dir;
	const char *state_dir;
	uint32_t log_format, log_level; /* their _MAX: not said */
	uint32_t planes;		/* 0: as the config says */
	bool check;
	/* Asked is only whether a journal of that version can be taken over; 0: not. */
	uint32_t takes_over;
};

#define NO_SLOT UINT32_MAX

struct door {
	struct watch watch;
	int fd;		  /* -1: closed */
	bool foreign_fds; /* as of struct clients */
	enum pp_door kind;
	char path[CONF_PATH_MAX];
	dev_t dev;
	ino_t ino; /* of our socket file, so that nobody else's is removed */
	struct reeved *d;
};

/* One that the service manager keeps, too; `ino` 0: none. */
struct stored_client {
	struct pp_conn conn;
	uint32_t door, pad;
	uint64_t ino;
};

/* Connections by slot; `use` counts a slot's uses. */
struct clients {
	struct kept {
		int fd; /* -1: free */
		uint32_t use;
		uint32_t next_free;
		uint32_t door; /* enum pp_door */
	} * kept;
	uint32_t max, count;
	struct stored_client *stored; /* by slot, see fdstore.c; NULL: nobody keeps them for us */
	uint32_t unstored[FD_PASS_MAX], nunstored;
	bool foreign_fds; /* they can pass descriptors: a kernel before 6.16 */
	uint32_t high;	  /* slots from here on were never used */
	uint32_t free;	  /* first of those below `high`; NO_SLOT: none */
};

struct core_child {
	pid_t pid; /* 0: none */
	int pidfd;
	int sock;
	bool ready;
	bool blamed;	  /* we killed it for what it did */
	enum pp_end last; /* how the one before ended; PP_END_NONE: there was none */
	bool resuming;	  /* clients from `resume_at` on are still to be handed to it */
	uint32_t resume_at;
	struct watch sock_watch, exit_watch, retry_watch;
	int retry_timer;
	unsigned failures; /* deaths in a row without a minute of life between */
	uint64_t started_ns;
	struct pp_queue queue;
};

/* So that the next one knows it again. */
struct netd_record {
	uint32_t pid, pad; /* 0: none runs */
	uint64_t use;	   /* of the pid, as in struct peer */
};

struct netd_child {
	bool wanted;
	bool told; /* to end */
	pid_t pid; /* 0: none */
	int pidfd;
	/* Where it is asked what it does, and where applications come; it accepts there itself. */
	struct door status, apps;
	struct watch exit_watch, retry_watch;
	int retry_timer;
	unsigned failures; /* ends in a row without a minute of life between */
	uint64_t started_ns;
	struct netd_record *record; /* in a file */
};

struct enforced_cgroup {
	char path[PEER_CGROUP_MAX]; /* "": unused */
	struct cgroup_saved saved;
	enum enforce now; /* ADVISORY: nothing is held there, so it is as it was */
};

struct reeved {
	struct options opt;
	struct loop *loop;
	struct conf conf;      /* in force ... */
	uint32_t conf_serial;  /* ... and the number under which the core has it */
	uint32_t sent_serial;  /* of the last one the core was sent */
	struct reload *reload; /* NULL: none is under way */
	struct core_child core;
	struct door doors[PP_DOOR_MAX];
	struct clients clients;
	struct watch signal_watch;
	int lock_fd, journal_fd, null_fd, cgroup_fd;
	int log_fd;	      /* stdout, opened again so that a slow reader never blocks us */
	uint32_t held_planes; /* opened because the core asked ... */
	uint32_t old_planes;  /* ... and those that an earlier one asked for */
	bool stopping, announced;
	bool keep;     /* at the end nothing is put back */
	bool upgraded; /* we are in another's place, and not ready yet */
	char **argv;
	struct handover *handover; /* NULL: nothing (more) was handed over */
	bool adopting;		   /* a predecessor's journal is taken over, and what it is about */
	bool match_cgroups;	   /* some tenant is known by its cgroup */
	char libexec[PATH_MAX];	   /* where the other programs are */
	char sbin[PATH_MAX];	   /* and those that are run by hand, too */
	struct watch pause_watch;  /* accept() found no descriptor: wait a little */
	bool paused;
	struct enforced_cgroup *enforced; /* TENANT_MAX of them, in a file */
	struct nics nics;
	struct netd_child netd;
};

/* config.c */
/* What comes until the end or the deadline (-ETIMEDOUT), as far as its first line goes. */
ssize_t read_line_until(int fd, char *ret, size_t size, uint64_t deadline_ns);
int config_read(const struct options *opt, const char *libexec, struct conf *ret, struct err *e);
int config_memfd(const struct conf *c);

/* child.c */
int child_find(struct reeved *d, struct err *e);
struct child_as {
	const char *path;
	uint32_t uid, gid;
	uint64_t keep_caps; /* a bit for each capability that root keeps there */
	int in, out, err;   /* become 0, 1, 2 */
	int extra;	    /* becomes 3; -1: none */
	int more;	    /* becomes 4, behind `extra`; 0: none */
	bool one_shot;	    /* it does one thing, which may fail */
	bool outlives_us;
	char *const *args; /* behind its name; NULL: none */
};
pid_t child_start(const struct child_as *how, int *ret_pidfd, struct err *e);

/* journal.c */
/* Opened, or made anew when that of a predecessor can't be taken over: that is said. */
int journal_open(struct reeved *d, struct err *e);
/* Nothing in it is of any use any more. */
void journal_wipe(struct reeved *d);

/* core.c */
/* Starts the first. Where one can't be started it is tried again, if there is what to lose. */
int core_open(struct reeved *d, struct err *e);
bool core_took_over(const struct reeved *d);
/* Queues the message when the core is slow; `fds` are the caller's still. */
int core_send(struct reeved *d, const void *msg, const int *fds, unsigned nfds);
bool core_backlog(const struct reeved *d);
int core_send_conf(struct reeved *d, const struct conf *c);
void core_stop(struct reeved *d);
/* Clients, cgroups and interfaces: as if there had been none. */
void core_give_all_back(struct reeved *d);
void core_kill(struct reeved *d, const char *why);

/* door.c */
/*
 * Listens on `path`, for all but who lacks the mode bits in `without`; door->fd. `advice`: what
 * to do about another that serves it. door_shut() afterwards.
 */
int door_serve(struct door *door, const char *path, mode_t without, const char *advice,
	       struct err *e);
/* Removes the file, if it is ours still. */
void door_shut(struct door *door);
/* Where it is to be; -ENAMETOOLONG. */
int door_path(const struct reeved *d, enum pp_door kind, char ret[static CONF_PATH_MAX]);
int door_open(struct reeved *d, enum pp_door kind, const char *path, struct err *e);
void door_close(struct reeved *d, enum pp_door kind);
/* A client is the core's: who it is, and its socket; kept until the core says so. */
void door_hand_over(struct reeved *d, enum pp_door kind, struct pp_conn conn, int fd);
/* Listen or not, as the core's state and the table of clients allow. */
void doors_adjust(struct reeved *d);

/* client.c */
int clients_init(struct clients *c, uint32_t max);
bool clients_full(const struct clients *c);
struct pp_conn clients_add(struct clients *c, enum pp_door door, int fd); /* takes the fd */
/* Its descriptor, which stays ours; -1: there is none. */
int clients_find(const struct clients *c, struct pp_conn conn, enum pp_door *ret_door);
/* Up to FD_PASS_MAX of them from slot *at on, which is moved behind. */
void clients_batch(const struct clients *c, uint32_t *at, struct pp_resume *ret,
		   int fds[static FD_PASS_MAX]);
/* One that was kept by a predecessor; false: there is no such place, or it is in use. */
bool clients_restore(struct clients *c, struct pp_conn conn, enum pp_door door, int fd);
bool clients_drop(struct clients *c, struct pp_conn conn);
void clients_drop_all(struct clients *c);

/* inbox.c */
/*
 * The next message of the core. -EAGAIN none; -EPIPE the core is gone; -EBADMSG, with the
 * sentence: what came is none of the protocol.
 */
int inbox_take(const struct reeved *d, union pp_msg *ret, struct err *e);

/* state.c */
/* A table that outlives this process: "state/<name>", zeroed when it is new. */
int state_map(const struct reeved *d, const char *name, size_t bytes, void **ret, struct err *e);

/* ops.c */
void ops_handle(struct reeved *d, const union pp_msg *m);
/* PP_RESULT; `error` is 0 or -errno, the sentence is in *e. */
void ops_answer(struct reeved *d, const struct pp_head *to, int error, uint32_t value,
		const struct err *e);
/* Says so in the log, now and then. */
void ops_refused(const char *what, const struct err *e);
/* Opens or closes the planes' sockets as config, command line and holders want. */
int planes_adjust(struct reeved *d, struct err *e);

/* netd.c */
/* Also goes on with the one that a predecessor started. */
int netd_open(struct reeved *d, struct err *e);
/* Starts it, or ends it, as the planes say; it has to wait until the core is ready. */
void netd_adjust(struct reeved *d, bool wanted);
/* The config is another one: what it could not start with may have changed. */
void netd_retry(struct reeved *d);
/* At our own end. */
void netd_stop(struct reeved *d);
void netd_kill(struct reeved *d);

/* cgroups.c */
/* Also puts back what a predecessor could not. */
int cgroups_open(struct reeved *d, struct err *e);
int cgroups_apply(struct reeved *d, const struct pp_cpuset *m, enum enforce *ret, struct err *e);
/* Puts cgroups back that the config in force does not name; all of them when `all`. */
void cgroups_restore(struct reeved *d, bool all);

/* reload.c */
void reload_start(struct reeved *d);
/* The core has taken the config on, or not. */
void reload_answer(struct reeved *d, const struct pp_ready *m);
void reload_drop(struct reeved *d, const char *why);

/* fdstore.c */
enum { FDS_PASSED_MAX = PP_CLIENTS_MAX + PP_DOOR_MAX };
int fdstore_open(struct reeved *d, struct err *e);
/* What the service manager kept for us, as if a predecessor had handed it over. */
void fdstore_take(struct reeved *d);
/* What did not come back is known no longer. */
void fdstore_clean(struct reeved *d);
/* Into its keeping; clients by and by, see fdstore_flush(). */
void fdstore_door(struct reeved *d, enum pp_door kind);
void fdstore_client(struct reeved *d, struct pp_conn conn);
void fdstore_flush(struct reeved *d);

/* upgrade.c */
/* Does not return when all goes well. 0: the core is being killed, and asks again. */
int upgrade(struct reeved *d, struct err *e);

/* main.c */
/* As by SIGTERM, or with all left as it is. */
void reeved_stop(struct reeved *d, bool keep);
/* Ends the loop when all is stopped: the core has ended and interfaces are as they were. */
void reeved_may_end(struct reeved *d);
int reeved_open_log(void);
void reeved_setup_log(const struct reeved *d);
void reeved_core_ready(struct reeved *d, const struct pp_ready *m);

#endif
