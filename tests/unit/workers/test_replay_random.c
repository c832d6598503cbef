/* test_replay_random.c — subscribes that resume, come and go in any order, beside one that stays:
 * whatever happens in between, each event comes once in each mode that is wanted, and in order. */
#include "random.h"
#include "replay_fixture.h"

#define ROUNDS 60
#define STEPS 80
#define REVISIONS_MAX 20000
#define BEFORE 10 /* sequence before revision 1 */
#define BACK_MAX 6
#define PAD 100
#define QUEUE 3000
#define NOISE_PAD 1000 /* of another document, which takes the room of what may be held */
#define SLOWNESS_MAX 12

static void open_all(void)
{
	fixture_init();
	fixture.config->ws_queue = QUEUE;
	fixture.config->ws_rate = fixture.config->ws_burst = 1000000;
}

TestSuite(replay_random, .init = open_all, .fini = fixture_fini, .timeout = 100);

enum { AFTER_ONE, SINCE_ONE, LIVE_ONE, COUNT };

/* Of the client. */
struct wish {
	bool is_asked, is_active;
	unsigned mode;
	uint64_t above; /* what it had of the document when it asked */
};

static struct model {
	uint64_t random;
	uint64_t slowness; /* of Redis */
	struct peer peer;
	struct wish wishes[COUNT];
	uint64_t written, published, marked; /* revisions: in Redis, in the ring, under a mark */
	uint64_t last;                       /* since it has asked for anything again */
	uint64_t covered;                    /* the client has read the document itself */
	uint8_t needed[REVISIONS_MAX];       /* modes */
	uint8_t seen[REVISIONS_MAX];
	uint8_t seen_since[REVISIONS_MAX]; /* the client asked for it again */
} model;

static const char *const names[COUNT] = {
	[AFTER_ONE] = "\"topic\":\"sync.s.*\",\"documentPrefix\":\"d\"",
	[SINCE_ONE] = "\"topic\":\"sync.s.updated\",\"documentId\":\"d\"",
	[LIVE_ONE] = "\"topic\":\"sync.s.updated\"",
};

static uint64_t below(uint64_t most)
{
	return random_next(&model.random) % most;
}

/* --- Redis ----------------------------------------------------------------------- */

static void format_data(struct buffer *ret, uint64_t revision)
{
	buffer_printf(ret, "{\"n\":%d,\"x\":\"%0*d\"}", (int)revision, PAD, 0);
}

static void answer_history(store_history_fn fn, void *arg)
{
	static struct store_history_entry entries[REPLAY_REVISIONS_MAX];
	static char texts[REPLAY_REVISIONS_MAX][96];
	CLEANUP(buffer_fini) struct buffer data = {0};
	struct store_history history = {.document = {.revision = model.written,
						     .updated_at_ms = 100 + (int64_t)model.written,
						     .created_at_ms = 101,
						     .service = SPAN("s"),
						     .id = SPAN("d")},
					.envelope = SPAN("{\"stored\":true}"),
					.sequence = BEFORE + model.written,
					.entries = entries};

	format_data(&data, model.written);
	history.document.data = buffer_span(&data);
	for (uint64_t revision = model.written;
	     revision > 1 && history.count < REPLAY_REVISIONS_MAX; revision--, history.count++) {
		int len = snprintf(texts[history.count], sizeof(*texts),
				   "{\"added\":{},\"removed\":{},\"changed\":{\"n\":{\"from\":%d,"
				   "\"to\":%d}}}",
				   (int)revision - 1, (int)revision);
		entries[history.count] = (struct store_history_entry){
			.revision = revision,
			.at_ms = 100 + (int64_t)revision,
			.sequence = BEFORE + revision,
			.op = SPAN("replace"),
			.has_diff = true,
			.reversible = span_of(texts[history.count], (size_t)len)};
	}
	fn(0, &history, arg);
}

static void answer_read(void)
{
	size_t at = store.answered;
	struct store_since_document d = {SPAN("s"), SPAN("d"), BEFORE + model.written};

	if (at == store.asked)
		return;
	if (store.reads[at].history) {
		store.answered++;
		answer_history(store.reads[at].history, store.reads[at].arg);
	} else {
		answer_changed(d.sequence, &d, store.reads[at].after < d.sequence);
	}
}

static void publish_next(void)
{
	CLEANUP(buffer_fini) struct buffer data = {0};

	if (model.published == model.written)
		return;
	uint64_t revision = ++model.published;
	model.needed[revision] |= EVENT_FULL;
	for (int i = 0; i < COUNT; i++)
		if (model.wishes[i].is_active)
			model.needed[revision] |= (uint8_t)model.wishes[i].mode;
	format_data(&data, revision);
	fixture_publish("d", revision, buffer_span(&data));
}

static void publish_mark(void)
{
	char position[40];

	snprintf(position, sizeof(position), RUN "-%d", (int)(BEFORE + model.published));
	fixture_mark(position);
	model.marked = model.published;
}

/* --- the client ------------------------------------------------------------------- */

static void take_event(const char *text)
{
	const char *at = strstr(text, "\"documentId\":\"d\",\"revision\":");
	uint64_t revision = at ? strtoull(strchr(at, ',') + 12, NULL, 10) : 0;
	uint8_t mode = (strstr(text, "\"data\":") ? EVENT_FULL : 0) |
		       (strstr(text, "\"diff\":") ? EVENT_DIFF : 0);

	if (!at)
		return;
	cr_assert(mode & ~model.seen_since[revision], "again: %s", text);
	if (!model.seen_since[revision]) {
		cr_assert_gt(revision, model.last, "behind %d: %s", (int)model.last, text);
		model.last = revision;
	}
	model.seen[revision] |= mode;
	model.seen_since[revision] |= mode;
}

static void take_answer(const char *text)
{
	const char *id = strstr(text, "\"id\":");
	struct wish *wish = id ? &model.wishes[id[5] - '0'] : NULL;

	if (!wish)
		return;
	wish->is_active = true;
	wish->is_asked = false;
	if (strstr(text, "\"snapshot\"")) { /* which stands for all it has */
		model.covered = model.written;
		return;
	}
	if (wish == &model.wishes[LIVE_ONE])
		return;
	if (model.last > wish->above)
		model.last = wish->above;
	for (uint64_t revision = wish->above + 1; revision <= model.written; revision++) {
		model.needed[revision] |= (uint8_t)wish->mode;
		model.seen_since[revision] = 0;
	}
}

static void read_all(void)
{
	struct frame frame = {0};

	while (peer_next(&model.peer, &frame)) {
		const char *text = frame.payload.at;

		if (strstr(text, "\"type\":\"event\""))
			take_event(text);
		else if (strstr(text, "\"type\":\"subscribed\""))
			take_answer(text);
		else if (strstr(text, "\"type\":\"resync\""))
			model.covered = model.written;
	}
	buffer_fini(&frame.payload);
	if (store.asked == store.answered)
		store = (struct replay_store){0};
}

/* What it wanted it wants no more, but for what it has got already. */
static void end_wish(int which)
{
	model.wishes[which].is_active = model.wishes[which].is_asked = false;
	for (uint64_t revision = 1; revision <= model.written; revision++)
		model.needed[revision] &= model.seen[revision] | EVENT_FULL;
}

static void ask(int which)
{
	static const char *const modes[] = {
		[EVENT_FULL] = "full", [EVENT_DIFF] = "diff", [EVENT_BOTH] = "both"};
	struct wish *wish = &model.wishes[which];
	CLEANUP(buffer_fini) struct buffer text = {0};
	uint64_t back = below(BACK_MAX);

	if (wish->is_asked) /* its answer would be taken for that of this one */
		return;
	end_wish(which);
	wish->is_asked = true;
	wish->mode = EVENT_FULL + (unsigned)below(3);
	wish->above = model.published;
	buffer_printf(&text, "{\"type\":\"subscribe\",%s,\"returnMode\":\"%s\",\"id\":%d",
		      names[which], modes[wish->mode], which);
	if (which == AFTER_ONE) {
		wish->above = model.marked > back ? model.marked - back : 1;
		buffer_printf(&text, ",\"after\":\"" RUN "-%d\"", (int)(BEFORE + wish->above));
	} else if (which == SINCE_ONE && below(4)) {
		wish->above = model.published > back ? model.published - back : 1;
		buffer_printf(&text, ",\"since\":{\"createdAt\":101,\"revision\":%d}",
			      (int)wish->above);
	} else if (which == SINCE_ONE) {
		buffer_append_string(&text, ",\"snapshot\":true");
	}
	buffer_append_string(&text, "}");
	buffer_append_char(&text, 0);
	peer_send_text(&model.peer, text.at);
}

static void unsubscribe(int which)
{
	CLEANUP(buffer_fini) struct buffer text = {0};

	end_wish(which);
	buffer_printf(&text, "{\"type\":\"unsubscribe\",%s}", names[which]);
	buffer_append_char(&text, 0);
	peer_send_text(&model.peer, text.at);
}

static void step(void)
{
	uint64_t what = below(24);

	if (what < 6 && model.written + 1 < REVISIONS_MAX)
		model.written++;
	else if (what < 11)
		publish_next();
	else if (what < 13)
		publish_mark();
	else if (what < 15)
		publish_padded("d9", 1, NOISE_PAD);
	else if (what < 18 && !below(model.slowness))
		answer_read();
	else if (what < 23)
		ask((int)below(COUNT));
	else
		unsubscribe((int)below(COUNT));
	read_all();
}

static void finish(void)
{
	for (int i = 0; model.published < model.written || model.peer.connection->replays; i++) {
		cr_assert_lt(i, 10 * STEPS, "it stands apart for ever");
		publish_next();
		publish_mark();
		answer_read();
		read_all();
	}
	for (uint64_t revision = model.covered + 1; revision <= model.written; revision++)
		cr_assert_eq(model.needed[revision] & ~model.seen[revision], 0,
			     "revision %d came in modes %d only, not in %d", (int)revision,
			     model.seen[revision], model.needed[revision]);
}

static void run_round(void)
{
	model.peer = peer_connect(0);
	model.covered = model.last = model.published;
	model.slowness = 1 + below(SLOWNESS_MAX);
	memset(model.wishes, 0, sizeof(model.wishes));
	subscribe(&model.peer, "{\"type\":\"subscribe\",\"topic\":\"sync.*.updated\"}");
	for (int i = 0; i < STEPS; i++)
		step();
	finish();
	peer_fini(&model.peer);
	fixture_turn();
}

Test(replay_random, each_event_comes_once_in_each_mode_that_is_wanted_and_in_order)
{
	model.random = random_seed("replay_random");
	fixture_start();
	fixture_activate(RUN "-11");
	model.written = model.published = model.marked = 1;
	for (int i = 0; i < ROUNDS; i++)
		run_round();
	cr_assert_gt(stat_read(fixture.worker.slot, STAT_replay_overflows), 0);
}
