/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg_gen.h"
#include "reeve-netd/net_flags.h"

static struct msg_gen msg_gen = {
	.local_ip = "",
	.remote_ip = "",
	.histogram_path = "",
	.local_port = 888,
	.remote_port = 888,
	.size = 64,
	.window = 8,
	.nr = UINT64_MAX,
};

static const struct net_flag flags[] = {
	{ "local_ip", .text = &msg_gen.local_ip, .help = "an address of this host's machnet" },
	{ "remote_ip", .text = &msg_gen.remote_ip, .help = "the server; none: be one" },
	{ "remote_port", .number = &msg_gen.remote_port, .max = UINT16_MAX,
	  .help = "the server's (888)" },
	{ "local_port", .number = &msg_gen.local_port, .max = UINT16_MAX,
	  .help = "a server's own (888)" },
	{ "msg_size", .number = &msg_gen.size, .max = MACHNET_MSG_MAX,
	  .help = "bytes of each message sent (64)" },
	{ "tx_msg_size", .number = &msg_gen.size, .max = MACHNET_MSG_MAX, .help = "the same" },
	{ "msg_window", .number = &msg_gen.window, .max = MSG_GEN_WINDOW_MAX,
	  .help = "messages under way (8)" },
	{ "msg_nr", .number = &msg_gen.nr, .max = UINT64_MAX,
	  .help = "so many requests, then end; else until a signal" },
	{ "verify", .on = &msg_gen.verify, .help = "look at every byte of the answers" },
	{ "duration", .number = &msg_gen.duration_s, .max = UINT32_MAX,
	  .help = "so many seconds, then end" },
	{ "json", .on = &msg_gen.json, .help = "results as JSON, an object a line" },
	{ "rtt_histogram", .text = &msg_gen.histogram_path,
	  .help = "a file for round trips: in us, and how many" },
	{ "busy_poll", .on = &msg_gen.busy_poll, .help = "never sleep, nor yield" },
	{ NULL },
};

static void on_signal(int signo)
{
	(void)signo;
	msg_gen_ended = 1;
}

/* Without SA_RESTART: what sleeps wakes. */
static void take_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* --- the channel -------------------------------------------------------------------------------
 */

static int attach(struct msg_gen *g, struct err *e)
{
	if (machnet_init() < 0)
		return fail(e, errno, "can't reach machnet: %s", strerror(errno));
	g->ctx = machnet_attach();
	if (!g->ctx)
		return fail(e, errno, "can't get a channel: %s", strerror(errno));
	g->poll_fd = machnet_poll_fd(g->ctx);
	return 0;
}

static void format_end(uint32_t ip, uint16_t port, char ret[static 32])
{
	struct in_addr addr = { htonl(ip) };
	char text[INET_ADDRSTRLEN] = "";

	inet_ntop(AF_INET, &addr, text, sizeof(text));
	snprintf(ret, 32, "%s:%u", text, port);
}

static int be_client(struct msg_gen *g, struct err *e)
{
	char local[32], remote[32];
	MachnetFlow_t flow;

	msg_gen_say('I', "Starting in client mode, request size %llu", (unsigned long long)g->size);
	if (machnet_connect(g->ctx, g->local_ip, g->remote_ip, (uint16_t)g->remote_port, &flow) < 0)
		return fail(e, errno, "can't connect to %.60s port %u: %s", g->remote_ip,
			    (unsigned)g->remote_port, strerror(errno));
	format_end(flow.src_ip, flow.src_port, local);
	format_end(flow.dst_ip, flow.dst_port, remote);
	msg_gen_say('I', "[CONNECTED] [%s <-> %s]", local, remote);
	return msg_gen_client(g, flow, e);
}

static int be_server(struct msg_gen *g, struct err *e)
{
	msg_gen_say('I', "Starting in server mode, response size %llu",
		    (unsigned long long)g->size);
	if (machnet_listen(g->ctx, g->local_ip, (uint16_t)g->local_port) < 0)
		return fail(e, errno, "can't listen on %.60s port %u: %s", g->local_ip,
			    (unsigned)g->local_port, strerror(errno));
	msg_gen_say('I', "[LISTENING] [%s:%u]", g->local_ip, (unsigned)g->local_port);
	return msg_gen_server(g, e);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int check_flags(const struct msg_gen *g, struct err *e)
{
	if (!*g->local_ip)
		return fail(e, EINVAL, "flag '--local_ip' is missing: an address of machnet's");
	if (g->size < MSG_GEN_SIZE_MIN)
		return fail(e, EINVAL, "flag '--msg_size' is %d at least", MSG_GEN_SIZE_MIN);
	return g->window ? 0 : fail(e, EINVAL, "flag '--msg_window' is 1 at least");
}

static int allocate(struct msg_gen *g, struct err *e)
{
	g->out = malloc(g->size);
	g->in = malloc(MACHNET_MSG_MAX);
	g->sent_ns = calloc(g->window, sizeof(*g->sent_ns));
	g->idle = calloc(g->window, sizeof(*g->idle));
	if (!g->out || !g->in || !g->sent_ns || !g->idle)
		return fail(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < g->size; i++)
		g->out[i] = (uint8_t)i;
	return 0;
}

static void clean_up(struct msg_gen *g)
{
	machnet_detach(g->ctx);
	free(g->out);
	free(g->in);
	free(g->sent_ns);
	free(g->idle);
}

static int run(struct msg_gen *g, struct err *e)
{
	int r = allocate(g, e);

	if (r == 0)
		r = attach(g, e);
	if (r == 0)
		r = *g->remote_ip ? be_client(g, e) : be_server(g, e);
	if (g->begun.at_ns)
		msg_gen_total(g);
	if (r == 0)
		r = msg_gen_write_histogram(g, e);
	clean_up(g);
	return r;
}

static int tell_about(bool help)
{
	if (help) {
		puts("usage: msg_gen --local_ip=ADDRESS [--remote_ip=ADDRESS] [flag...]\n"
		     "Requests to a msg_gen of another host, and how long the answers take;\n"
		     "without --remote_ip it answers.");
		net_flags_print_own(stdout, flags);
	} else {
		puts("msg_gen " REEVE_VERSION);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct net_std_flags std;
	struct err e = { 0 };

	if (net_flags_parse(flags, argc, argv, &std, &e) == 0 && (std.help || std.version))
		return tell_about(std.help);
	if (!e.code)
		check_flags(&msg_gen, &e);
	if (!e.code) {
		take_signals();
		run(&msg_gen, &e);
	}
	if (e.code)
		fprintf(stderr, "msg_gen: %s\n", e.text);
	return e.code || msg_gen.mismatches ? 1 : 0;
}
