/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pktgen.h"
#include "wire/udp.h"

static struct pktgen pktgen = { .remote_text = "",
				.rtt_log = "",
				.size = PKTGEN_SIZE_MIN,
				.batch = PORT_BURST,
				.zerocopy = true };

static const struct net_flag flags[] = {
	{ "pkt_size", .number = &pktgen.size, .max = UINT32_MAX,
	  .help = "bytes of a frame, 64 to 1500 (64)" },
	{ "tx_batch_size", .number = &pktgen.batch, .max = 1024,
	  .help = "packets sent at once (32)" },
	{ "remote_ip", .text = &pktgen.remote_text, .help = "whom to send to" },
	{ "ping", .on = &pktgen.ping, .help = "time one packet a millisecond" },
	{ "active_generator", .on = &pktgen.active, .help = "send as many as can be" },
	{ "zerocopy", .on = &pktgen.zerocopy,
	  .help = "payloads are not copied out of a pool (true)" },
	{ "rtt_log", .text = &pktgen.rtt_log, .help = "a file for each round trip, in ns" },
	{ NULL },
};

static bool on_datagram(void *arg, const struct stack_datagram *d)
{
	(void)arg;
	return pktgen_received(&pktgen, d);
}

static void on_notice(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "pktgen: %s\n", text);
}

static const struct stack_user user = { .datagram = on_datagram, .notice = on_notice };

static void clamp(uint64_t *n, uint64_t least, uint64_t most)
{
	if (*n < least)
		*n = least;
	if (*n > most)
		*n = most;
}

/* The frame has all headers and the two stamps, whatever size is wanted. */
static int set_size(struct pktgen *p, struct err *e)
{
	uint32_t headers = (ipaddr_is4(&p->remote) ? IP4_HEADER : IP6_HEADER) + UDP_HEADER;
	uint64_t size = p->size;

	clamp(&size, ETHER_HEADER + headers + PKTGEN_STAMPS, PKTGEN_SIZE_MAX);
	if (size - ETHER_HEADER > p->tool.port->mtu)
		return fail(e, EMSGSIZE, "the MTU of %s is %u, too little for --pkt_size=%" PRIu64,
			    p->tool.iface.name, p->tool.port->mtu, p->size);
	p->payload = (uint32_t)size - ETHER_HEADER - headers;
	return 0;
}

/* Written to, or all of it would be the kernel's one page of zeros. */
static int make_pool(struct pktgen *p, struct err *e)
{
	if (p->zerocopy)
		return 0;
	p->pool = malloc(PKTGEN_POOL);
	if (!p->pool)
		return fail(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < PKTGEN_POOL; i++)
		p->pool[i] = (uint8_t)(i * 7);
	return 0;
}

static int open_log(struct pktgen *p, struct err *e)
{
	if (!*p->rtt_log)
		return 0;
	p->log = fopen(p->rtt_log, "we");
	return p->log ? 0
		      : fail(e, errno, "can't write to %.150s: %s", p->rtt_log, strerror(errno));
}

static int close_log(struct pktgen *p, struct err *e)
{
	if (!p->log || fclose(p->log) == 0)
		return 0;
	return fail(e, errno, "can't write to %.150s: %s", p->rtt_log, strerror(errno));
}

static int prepare_to_send(struct pktgen *p, struct err *e)
{
	int r;

	if (!p->active && !p->ping)
		return 0;
	r = net_tool_peer(&p->tool, p->remote_text, &p->remote, &p->local, e);
	if (r == 0)
		r = set_size(p, e);
	return r < 0 ? r : make_pool(p, e);
}

static void summary(const struct pktgen *p)
{
	const struct histogram *h = &p->rtts;

	if (!p->ping)
		return;
	printf("RTT (ns) mean=%.0f, stddev=%.0f, p50=%" PRIu64 ", p99=%" PRIu64 ", p999=%" PRIu64
	       ", min=%" PRIu64 ", max=%" PRIu64 "\n",
	       histogram_mean(h), histogram_stddev(h), histogram_at(h, 0.5), histogram_at(h, 0.99),
	       histogram_at(h, 0.999), h->min, h->max);
	fflush(stdout);
}

static void tell_mode(const struct pktgen *p)
{
	if (p->ping || p->active)
		printf("%s %s, frames of %u bytes\n", p->ping ? "ping" : "active", p->remote_text,
		       p->payload + ETHER_HEADER + UDP_HEADER +
			       (ipaddr_is4(&p->remote) ? IP4_HEADER : IP6_HEADER));
	else
		printf("passive: what comes to port %d goes back\n", PKTGEN_PORT);
	fflush(stdout);
}

static int run(struct pktgen *p, struct err *e)
{
	int r = open_log(p, e), r2;

	if (r == 0)
		r = net_tool_open(&p->tool, &user, e);
	if (r == 0)
		r = prepare_to_send(p, e);
	if (r == 0) {
		tell_mode(p);
		r = p->ping	? pktgen_ping(p, e)
		    : p->active ? pktgen_active(p, e)
				: pktgen_passive(p, e);
	}
	if (r == 0)
		summary(p);
	net_tool_close(&p->tool);
	r2 = close_log(p, r == 0 ? e : NULL);
	free(p->pool);
	return r < 0 ? r : r2;
}

static int check_flags(struct pktgen *p, struct err *e)
{
	clamp(&p->size, PKTGEN_SIZE_MIN, PKTGEN_SIZE_MAX);
	if (p->ping && p->active)
		return fail(e, EINVAL,
			    "--ping and --active_generator are two modes; one can be had");
	if ((p->ping || p->active) && !*p->remote_text)
		return fail(e, EINVAL, "flag '--remote_ip' is missing: whom to send to");
	return p->batch ? 0 : fail(e, EINVAL, "flag '--tx_batch_size' is 1 at least");
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	int code;

	pktgen.tool.name = "pktgen";
	pktgen.tool.about =
		"usage: machnet-pktgen [flag...]\n"
		"UDP packets over an interface of machnet.json, while no machnet has it;\n"
		"without --active_generator or --ping what comes is sent back.\n";
	pktgen.tool.flags = flags;
	code = net_tool_start(&pktgen.tool, argc, argv);
	if (code >= 0)
		return code;
	if (check_flags(&pktgen, &e) < 0) {
		net_tool_fail(&pktgen.tool, &e);
		return NET_EXIT_FLAGS;
	}
	return run(&pktgen, &e) < 0 ? net_tool_fail(&pktgen.tool, &e) : NET_EXIT_OK;
}
