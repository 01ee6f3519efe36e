/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "msg_gen.h"

void msg_gen_log(char level, const char *file, int line, const char *fmt, ...)
{
	uint64_t ns = clock_wall_ns();
	time_t seconds = (time_t)(ns / NS_PER_S);
	char when[32], text[256];
	struct tm tm;
	va_list ap;

	localtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y%m%d %H:%M:%S", &tm);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%c%s.%06u %5d %s:%d] %s\n", level, when, (unsigned)(ns % NS_PER_S / 1000),
		(int)gettid(), file, line, text);
}

/* --- once a second --------------------------------------------------------------------------- */

struct rates {
	double seconds, tx, rx, tx_gbps, rx_gbps;
	uint64_t tx_drops;
};

static struct rates rates_since(const struct msg_gen_counts *now, const struct msg_gen_counts *then)
{
	struct rates r = { .seconds = (double)(now->at_ns - then->at_ns) / 1e9,
			   .tx_drops = now->tx_drops - then->tx_drops };
	double s = r.seconds > 0 ? r.seconds : 1;

	r.tx = (double)(now->tx - then->tx) / s;
	r.rx = (double)(now->rx - then->rx) / s;
	r.tx_gbps = (double)(now->tx_bytes - then->tx_bytes) * 8 / s / 1e9;
	r.rx_gbps = (double)(now->rx_bytes - then->rx_bytes) * 8 / s / 1e9;
	return r;
}

static uint64_t us_at(const struct histogram *h, double part)
{
	return (histogram_at(h, part) + 500) / 1000;
}

static void print_line(const struct rates *r, const struct histogram *h)
{
	printf("TX/RX (msg/sec, Gbps): (%.1fK/%.1fK, %.3f/%.3f). RTT (p50/99/99.9 us): ",
	       r->tx / 1e3, r->rx / 1e3, r->tx_gbps, r->rx_gbps);
	if (h->count)
		printf("%" PRIu64 "/%" PRIu64 "/%" PRIu64, us_at(h, 0.5), us_at(h, 0.99),
		       us_at(h, 0.999));
	else
		printf("N/A");
	if (r->tx_drops)
		printf(", TX drops: %" PRIu64, r->tx_drops);
	putchar('\n');
}

static json_t *json_rtt(const struct histogram *h)
{
	if (!h->count)
		return json_null();
	return json_pack("{s:I s:f s:f s:f s:f s:f s:f}", "count", (json_int_t)h->count, "min",
			 (double)h->min / 1e3, "p50", (double)histogram_at(h, 0.5) / 1e3, "p99",
			 (double)histogram_at(h, 0.99) / 1e3, "p99.9",
			 (double)histogram_at(h, 0.999) / 1e3, "max", (double)h->max / 1e3, "mean",
			 histogram_mean(h) / 1e3);
}

static void print_json(const char *kind, const struct rates *r, const struct histogram *h)
{
	json_t *line = json_pack("{s:s s:f s:f s:f s:f s:f s:I s:o}", "kind", kind, "seconds",
				 r->seconds, "tx_msgs_per_s", r->tx, "rx_msgs_per_s", r->rx,
				 "tx_gbps", r->tx_gbps, "rx_gbps", r->rx_gbps, "tx_drops",
				 (json_int_t)r->tx_drops, "rtt_us", json_rtt(h));

	if (line && json_dumpf(line, stdout, JSON_REAL_PRECISION(9)) == 0)
		putchar('\n');
	json_decref(line);
}

/* Nothing is said of a second without a message. */
void msg_gen_report(struct msg_gen *g)
{
	struct rates r;

	g->counts.at_ns = g->now;
	g->report_ns = g->now + NS_PER_S;
	r = rates_since(&g->counts, &g->then);
	if (r.tx > 0 || r.rx > 0) {
		if (g->json)
			print_json("interval", &r, &g->rtts);
		else
			print_line(&r, &g->rtts);
		fflush(stdout);
	}
	g->then = g->counts;
	memset(&g->rtts, 0, sizeof(g->rtts));
}

/* --- at the end ------------------------------------------------------------------------------ */

void msg_gen_total(struct msg_gen *g)
{
	const struct msg_gen_counts *c = &g->counts;
	struct rates r;

	g->counts.at_ns = clock_mono_ns();
	r = rates_since(c, &g->begun);
	if (g->json) {
		print_json("total", &r, &g->rtts_all);
		fflush(stdout);
	}
	msg_gen_say('I',
		    "Application Statistics (TOTAL) - [TX] Sent: %" PRIu64 " (%" PRIu64
		    " Bytes), Drops: %" PRIu64 ", [RX] Received: %" PRIu64 " (%" PRIu64 " Bytes)",
		    c->tx, c->tx_bytes, c->tx_drops, c->rx, c->rx_bytes);
	if (g->mismatches)
		msg_gen_say('E', "%" PRIu64 " answers were not what they should be", g->mismatches);
	if (g->strays)
		msg_gen_say('W', "%" PRIu64 " messages were the answer to nothing", g->strays);
}

int msg_gen_write_histogram(const struct msg_gen *g, struct err *e)
{
	const struct histogram *h = &g->rtts_all;
	_cleanup_file_ FILE *f = NULL;
	struct histogram_bar bar;
	uint32_t place = 0;
	bool failed;

	if (!*g->histogram_path)
		return 0;
	f = fopen(g->histogram_path, "we");
	if (!f)
		goto failed;
	while (histogram_next(h, &place, &bar))
		fprintf(f, "%.3f %" PRIu64 "\n", (double)bar.number / 1e3, bar.count);
	failed = ferror(f) || fflush(f) == EOF;
	if (!failed)
		return 0;
failed:
	return fail(e, errno, "can't write to %.150s: %s", g->histogram_path, strerror(errno));
}
