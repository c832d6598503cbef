#!/usr/bin/env node
// chaos.mjs: subscribers and writers go on while workers, the supervisor, the subscription and Redis are killed, stopped and restarted:
// is anything lost, twice, out of order, or left behind?
//
//   node chaos.mjs [seconds=60] [--seed N] [--subscribers 200] [--documents 50] [--writers 8] [--client 1]
//
// --client 1: the subscribers are made of the JavaScript client (workers/web/client).
//
// Starts a redis-server (AOF, appendfsync always) and a syncdocd of its own. Ends with one line and 0, or with what is wrong and 1.
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Daemon, Pace, Redis, Rest, assertNoSanitizerReport, assertStatus, documentPath, isAlive, randomOf, turn, until } from './harness.js';
import { Subscriber } from './lib/chaos.js';
import { ClientSubscriber } from './lib/chaos_client.js';
import { SERVICE } from './lib/chaos_subscriber.js';

const SHOWN_MAX = 20,
	FAULT_EVERY_MS = 5000,
	STOP_MS = 3000,
	DROP_EVERY_MS = 200, // a connection that breaks by itself, on average
	SETTLE_MS = 60000,
	GHOST_MS = 2000, // nobody may be seen longer than that after the end, of the time in which all ran
	GHOST_LOOK_MS = 60000,
	PAUSE_MS = 40, // a writer's, at most; half of it on average
	SETTINGS = { workers: 2, 'redis.timeout': 2, 'ws.rate': 100000, 'ws.burst': 100000, 'history.max': 10000, 'history.max_bytes': '64MiB' };

class Run {
	constructor({ seconds, seed, subscribers, documents, writers, client = 0 }) {
		Object.assign(this, { seconds, seed, Subscriber: client ? ClientSubscriber : Subscriber });
		this.random = randomOf(seed);
		this.counts = { subscribers, writers };
		this.ids = Array.from({ length: documents }, (_, i) => `d${i}`);
		this.violations = [];
		this.writing = true;
		this.acknowledged = new Map(); // tag → envelope
		this.unknown = new Map(); // tag → why: may have happened or not
		this.refused = new Map(); // tag → why: surely not
		this.seen = new Map(this.ids.map(id => [id, new Map()])); // id → revision → what an event or a reading said
		this.disturbances = []; // times and names, for reports
		this.disturbed = 0;
		this.killed = new Set();
		this.tally = { events: 0, repeats: 0, replays: 0, snapshots: 0, conflated: 0, refusals: 0, goaways: 0, presence: 0, presenceResyncs: 0, resyncs: new Map(), closes: new Map() };
	}

	fault(text) {
		this.violations.push(`${new Date().toISOString().slice(14, 23)} ${text}`);
	}

	async run() {
		try {
			this.redis = await Redis.start({ persistent: true });
			this.daemon = await Daemon.start({ redis: this.redis, settings: SETTINGS });
			await this.create();
			this.subscribe();
			await until(() => this.subscribers.every(one => one.ids.every(id => one.held.has(id))), SETTLE_MS, 'all have subscribed');
			const writers = this.write(), dropping = this.dropSubscribers();
			await this.disturb();
			this.writing = false;
			await Promise.all([writers, dropping]);
			await this.settle();
			await this.checkWrites();
			await this.checkPresence();
		} catch (error) {
			this.fault(`${error.message} ${error.cause?.message ?? ''}`);
		} finally {
			await this.stop();
		}
		return this;
	}

	async stop() {
		this.writing = false;
		for (const one of this.subscribers ?? []) one.end();
		try {
			await this.daemon?.stop();
			this.checkLog();
		} catch (error) {
			this.fault(`at the end: ${error.message}`);
		} finally {
			await this.redis?.stop();
		}
	}

	/* ---- who writes and who listens ---- */

	async create() {
		await Promise.all(
			this.ids.map(async id => {
				const tag = `start-${id}`;
				this.acknowledged.set(tag, assertStatus(await this.daemon.rest.put(documentPath(SERVICE, id), { data: { tag } }), 201));
			}),
		);
	}

	subscribe() {
		this.subscribers = Array.from({ length: this.counts.subscribers }, (_, index) => {
			const wide = index % 20 === 7, random = randomOf(this.seed * 1000 + index), ids = new Set();
			while (ids.size < Math.min(4, this.ids.length)) ids.add(ids.size ? random.pick(this.ids) : this.ids[index % this.ids.length]);
			return new this.Subscriber({
				index, wide, random,
				url: this.daemon.url,
				ids: wide ? this.ids : [...ids],
				see: (...what) => this.see(...what),
				fault: text => this.fault(text),
				tally: this.tally,
			});
		});
		for (const one of this.subscribers) one.start();
	}

	// Whoever sees a revision must see the same one.
	see(id, revision, updatedAt, tag, who) {
		const one = this.seen.get(id).get(revision);
		if (!one) this.seen.get(id).set(revision, { updatedAt, tag });
		else if (one.updatedAt !== updatedAt || one.tag !== tag)
			who.fault(`${id} revision ${revision} is ${updatedAt} ${tag}, for others ${one.updatedAt} ${one.tag}`);
	}

	write() {
		return Promise.all(
			Array.from({ length: this.counts.writers }, async (_, writer) => {
				const random = randomOf(this.seed * 100 + writer), rest = new Rest(this.daemon.url, { maxSockets: 1 });
				for (let n = 0; this.writing; n++) {
					await this.writeOne(rest, random, `w${writer}-${n}`);
					await turn(random.below(PAUSE_MS));
				}
				rest.close();
			}),
		);
	}

	async writeOne(rest, random, tag) {
		const id = random.pick(this.ids), path = documentPath(SERVICE, id);
		const data = { tag, [`m${random.below(5)}`]: random.below(3) ? random.below(100) : { text: 'x'.repeat(random.below(300)) } };
		let answer;
		try {
			answer = random.below(2) ? await rest.put(path, { data }) : await rest.patch(path, { data: { ...data, [`m${random.below(5)}`]: null, tag } });
		} catch (error) {
			this.unknown.set(tag, `${id} ${error.code ?? error.message}`);
			return;
		}
		if (answer.status === 200) {
			if (answer.json.data.tag !== tag || answer.json.id !== id) this.fault(`the answer to ${tag} is ${answer.text}`);
			this.acknowledged.set(tag, answer.json);
		} else if (answer.status === 503 && answer.json.code === 'outcome_unknown') this.unknown.set(tag, `${id} outcome_unknown`);
		else if (answer.status === 503) this.refused.set(tag, `${id} ${answer.json.code}`);
		else this.fault(`${tag} to ${id}: status ${answer.status}: ${answer.text}`);
	}

	/* ---- what happens to them ---- */

	killWorker() {
		const { pid } = this.random.pick(this.daemon.workers());
		this.killed.add(pid);
		this.disturbances.push(`kill -9 worker ${pid}`);
		process.kill(pid, 'SIGKILL');
	}

	// All the time some client's own network fails.
	async dropSubscribers() {
		const random = randomOf(this.seed + 1);
		while (this.writing && !this.violations.length) {
			random.pick(this.subscribers).drop();
			await turn(random.below(2 * DROP_EVERY_MS));
		}
	}

	get disturbers() {
		return {
			worker: () => this.killWorker(),
			subscription: () => this.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'),
			'Redis stopped': async () => {
				this.redis.process.kill('SIGSTOP');
				await turn(Math.min(STOP_MS, this.everyMs * 0.6));
				if (this.again) this.killWorker();
				this.redis.process.kill('SIGCONT');
			},
			'Redis restarted': async () => {
				this.redis.client.close();
				await this.redis.process.kill9();
				// Who comes back then has a position of the Redis before.
				if (this.again) this.killWorker();
				await this.redis.start();
			},
			reload: () => this.daemon.process.kill('SIGHUP'),
			supervisor: async () => {
				const workers = this.daemon.workers();
				this.checkLog();
				await this.daemon.process.kill9();
				await until(() => workers.every(({ pid }) => !isAlive(pid)), undefined, 'the workers of a killed supervisor end');
				await this.daemon.start();
			},
		};
	}

	async disturb() {
		const names = Object.keys(this.disturbers), start = Date.now(), end = start + this.seconds * 1000;
		// A short run has all of them too.
		this.everyMs = Math.min(FAULT_EVERY_MS, (this.seconds * 1000) / (names.length + 0.5));
		for (let n = 0; !this.violations.length; n++) {
			const at = start + (n + 0.5) * this.everyMs;
			if (at >= end) break;
			await turn(Math.max(0, at - Date.now()));
			if (this.daemon.process.end) throw new Error(`syncdocd ended: ${JSON.stringify(this.daemon.process.end)} ${this.daemon.stderr.slice(-2000)}`);
			const name = names[n % names.length];
			this.disturbances.push(`${new Date().toISOString().slice(14, 23)} ${name}`);
			this.again = n >= names.length; // the second time two things happen at once
			await this.disturbers[name]();
			this.disturbed++;
		}
		await until(() => Date.now() >= end || this.violations.length, this.seconds * 1000 + 1000, 'the end');
	}

	/* ---- what must hold ---- */

	checkLog() {
		assertNoSanitizerReport(this.daemon.stderr);
		for (const [line, pid] of this.daemon.stderr.matchAll(/.*worker \d+ \(pid (\d+)\): (?!started|drained|not drained).*/g))
			if (!this.killed.has(Number(pid)) && !line.includes('while draining')) this.fault(`a worker nobody killed: ${line}`);
	}

	// Nobody writes any more: all get to where the documents are.
	async settle() {
		await this.daemon.waitUntilReady();
		this.finals = new Map();
		for (const id of this.ids) this.finals.set(id, assertStatus(await this.daemon.rest.get(documentPath(SERVICE, id)), 200));
		const late = () => this.subscribers.filter(one => one.missing(this.finals)), start = Date.now();
		try {
			await until(() => !late().length, SETTLE_MS);
		} catch {
			for (const one of late()) one.fault(`not caught up after ${SETTLE_MS} ms: ${one.missing(this.finals)}`);
		}
		this.settledMs = Date.now() - start;
	}

	async historyOf(id) {
		const revisions = [];
		for (let token = ''; token !== undefined;) {
			const page = assertStatus(await this.daemon.rest.get(`${documentPath(SERVICE, id)}/history?page_size=100${token && `&page_token=${encodeURIComponent(token)}`}`), 200);
			revisions.push(...page.revisions);
			token = page.next_page_token;
		}
		return revisions.sort((a, b) => a.revision - b.revision);
	}

	async checkWrites() {
		const happened = new Map(); // tag → {id, revision}
		for (const id of this.ids) {
			const history = await this.historyOf(id), final = this.finals.get(id), seen = this.seen.get(id);
			let before = 0;
			for (const [i, { revision, at, diff }] of history.entries()) {
				const tag = diff.changed?.tag?.to ?? diff.added?.tag, where = `${id} revision ${revision} (${tag}, ${at})`, one = seen.get(revision);
				if (revision !== i + 1) this.fault(`${where}: ${i} revisions are before it in the history`);
				if (at <= before) this.fault(`${where}: not later than ${before}`);
				before = at;
				if (one && (one.updatedAt !== at || one.tag !== tag)) this.fault(`${where}: subscribers got ${one.updatedAt} ${one.tag}`);
				if (!this.acknowledged.has(tag) && !this.unknown.has(tag)) this.fault(`${where}: ${this.refused.get(tag) ?? 'nobody wrote it'}`);
				if (happened.has(tag)) this.fault(`${where}: happened as ${JSON.stringify(happened.get(tag))} too`);
				happened.set(tag, { id, revision, at });
			}
			for (const revision of seen.keys()) if (revision > final.revision) this.fault(`${id}: revision ${revision} was seen, the last is ${final.revision}`);
			const last = history.at(-1), now = assertStatus(await this.daemon.rest.get(documentPath(SERVICE, id)), 200);
			if (last.revision !== final.revision || last.at !== final.updatedAt) this.fault(`${id}: the document is ${JSON.stringify(final)}, its history ends with ${JSON.stringify(last)}`);
			if (!isDeepStrictEqual(now, final)) this.fault(`${id}: after all writes ${JSON.stringify(final)}, later ${JSON.stringify(now)}`);
			for (const one of this.subscribers)
				if (one.held.has(id) && !isDeepStrictEqual(one.held.get(id).data, final.data))
					one.fault(`${id}: holds ${JSON.stringify(one.held.get(id))}, the document is ${JSON.stringify(final)}`);
		}
		for (const [tag, { id, revision, updatedAt }] of this.acknowledged) {
			const what = happened.get(tag);
			if (!what || what.id !== id || what.revision !== revision || what.at !== updatedAt)
				this.fault(`${id}: ${tag} was acknowledged as revision ${revision}, ${updatedAt}; the history says ${JSON.stringify(what)}`);
		}
		this.unknownHappened = [...this.unknown.keys()].filter(tag => happened.has(tag)).length;
	}

	async present() {
		const found = new Map(); // connectionId → where
		await Promise.all(
			this.ids.map(async id => {
				const { members, count } = assertStatus(await this.daemon.rest.get(`${documentPath(SERVICE, id)}/presence`), 200);
				if (members.length !== count) this.fault(`presence of ${id}: ${members.length} members, count ${count}`);
				for (const { connectionId } of members) found.set(connectionId, id);
			}),
		);
		return found;
	}

	async checkPresence() {
		const there = () => new Map(this.subscribers.map(({ connectionId, home }) => [connectionId, home]));
		const difference = (a, b) => [...a].filter(([key, value]) => b.get(key) !== value).slice(0, 5);
		let found;
		try {
			await until(async () => (found = await this.present()).size === there().size && !difference(found, there()).length, GHOST_LOOK_MS);
		} catch {
			this.fault(`presence: ${found.size} present, ${there().size} connected; ghosts ${JSON.stringify(difference(found, there()))}, missing ${JSON.stringify(difference(there(), found))}`);
		}
		const pace = await Pace.start({ daemons: [this.daemon], redis: this.redis });
		for (const one of this.subscribers) one.end();
		const start = Date.now();
		try {
			await until(async () => !(found = await this.present()).size, GHOST_LOOK_MS);
		} catch {
			this.fault(`presence: ${found.size} ghosts after ${GHOST_LOOK_MS} ms: ${JSON.stringify([...found].slice(0, 5))}`);
		}
		this.goneMs = pace.ranMs(start);
		pace.stop();
		if (this.goneMs > GHOST_MS) this.fault(`presence: the last was gone after ${this.goneMs} ms`);
	}

	get line() {
		const { tally } = this, list = map => [...map].map(([key, count]) => `${key}:${count}`).join(',') || '-';
		const writes = this.acknowledged.size + this.unknown.size + this.refused.size;
		return (
			`chaos: seed ${this.seed} writes ${writes} acknowledged ${this.acknowledged.size} unknown ${this.unknown.size} (happened ${this.unknownHappened}) refused ${this.refused.size} ` +
			`events ${tally.events} repeats ${tally.repeats} replays ${tally.replays} snapshots ${tally.snapshots} conflated ${tally.conflated} resyncs ${list(tally.resyncs)} ` +
			`presence ${tally.presence} closes ${list(tally.closes)} goaways ${tally.goaways} faults ${this.disturbed} settled ${this.settledMs} ms gone ${this.goneMs} ms ` +
			(this.violations.length ? `VIOLATIONS ${this.violations.length}` : 'ok')
		);
	}
}

export function chaos(options) {
	return new Run(options).run();
}

function parseArguments(words) {
	const options = { seconds: 60, seed: Date.now() % 1e6, subscribers: 200, documents: 50, writers: 8, client: 0 };
	for (let i = 0; i < words.length; i++) {
		const name = words[i].replace(/^--/, '');
		if (name === words[i]) options.seconds = Number(name);
		else if (Object.hasOwn(options, name)) options[name] = Number(words[++i]);
		else options.seconds = NaN;
	}
	if (!Object.values(options).every(Number.isFinite) || options.seconds <= 0)
		throw new Error('usage: chaos.mjs [seconds] [--seed N] [--subscribers N] [--documents N] [--writers N] [--client 0|1]');
	return options;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
	try {
		const run = await chaos(parseArguments(process.argv.slice(2)));
		for (const text of run.violations.slice(0, SHOWN_MAX)) console.error(`chaos: ${text}`);
		if (run.violations.length) {
			console.error(`chaos: it happened: ${run.disturbances.join(', ')}`);
			console.error(`chaos: the last of the log:\n${run.daemon?.stderr.slice(-6000)}`);
		}
		console.log(run.line);
		process.exit(run.violations.length ? 1 : 0);
	} catch (error) {
		console.error(`chaos: ${error.stack}`);
		process.exit(1);
	}
}
