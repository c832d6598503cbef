#!/usr/bin/env node
// reload.mjs: SIGHUP twice while thousands of sockets are open and writers run: is everybody told to go, and does nobody miss anything?
// The full size of issue 3:
//
//   SYNCDOC_BUILD=…/build-release node tests/bench/reload.mjs [--subscribers 2000] [--documents 50] [--writers 8] [--rate 250]
//        [--workers 2] [--drain-rate 200] [--drain-timeout 30]
//
// The second SIGHUP comes when half of the subscribers have been told to go, so that three generations of workers overlap. Each
// subscriber moves within the time that `goaway` says (half of them leave at once, and come back when it is over), resumes with `since`, and must see each revision of its document once and in order (a snapshot
// or a resync in place of some is counted). Writes are sent again under their Idempotency-Key when a connection breaks. Prints its
// figures; ends with 1 when something was wrong.
import { pathToFileURL } from 'node:url';
import { Rest, assertStatus, documentPath, startPair, turn, until } from '../e2e/harness.js';
import { ResumingSubscriber } from '../e2e/lib/resuming.js';

const SERVICE = 'reload',
	MODES = ['full', 'diff', 'both'],
	CONNECT_AT_ONCE = 100,
	DEADLINE_MS = 60000,
	TRIES = 10;

class Run {
	constructor(options) {
		Object.assign(this, options);
		this.faults = [];
		this.tally = { events: 0, live: 0, replayed: 0, snapshot: 0, resyncs: [], closes: [], late: 0, awayMs: [] };
		this.revisions = Array.from({ length: options.documents }, () => 0);
		this.writes = this.sentAgain = 0;
		this.writing = true;
	}

	fault(text) {
		this.faults.push(`${new Date().toISOString().slice(14, 23)} ${text}`);
	}

	/* ---- writes ---- */

	// Its documents are nobody else's, so that the n of a revision is known before.
	async writeOne(rest, number) {
		const n = this.revisions[number] + 1;
		for (let left = TRIES; ; left--) {
			let answer;
			try {
				answer = await rest.put(documentPath(SERVICE, `d${number}`), { data: { n } }, { 'Idempotency-Key': `n${n}` });
			} catch (error) {
				answer = { status: 0, text: error.message }; // an idle connection was closed under the request
			}
			if (answer.status === 200 || answer.status === 201) {
				if (answer.json.revision !== n) this.fault(`d${number}: write ${n} became revision ${answer.json.revision}`);
				this.revisions[number] = answer.json.revision;
				this.writes++;
				return;
			}
			if ((answer.status !== 0 && answer.status !== 503) || !left) throw new Error(`d${number}: write ${n}: ${answer.status} ${answer.text}`);
			this.sentAgain++;
			await turn();
		}
	}

	async write(writer) {
		const rest = new Rest(this.daemon.url, { maxSockets: 1 }), start = performance.now();
		try {
			for (let i = 0; this.writing; i++) {
				const wait = start + (i * 1000 * this.writers) / this.rate - performance.now();
				if (wait > 0) await turn(wait);
				await this.writeOne(rest, (writer + i * this.writers) % this.documents);
			}
		} catch (error) {
			this.fault(error.message);
		} finally {
			rest.close();
		}
	}

	/* ---- who listens ---- */

	async connect() {
		this.all = [];
		while (this.all.length < this.subscribers) {
			const some = Array.from({ length: Math.min(CONNECT_AT_ONCE, this.subscribers - this.all.length) }, (_, i) => {
				const index = this.all.length + i;
				return new ResumingSubscriber({
					url: this.daemon.url,
					service: SERVICE,
					id: `d${index % this.documents}`,
					returnMode: MODES[index % MODES.length],
					hasty: index % 2 === 1,
					fault: text => this.fault(text),
					tally: this.tally,
				});
			});
			for (const one of some) one.connect();
			await until(() => some.every(one => one.subscribed), DEADLINE_MS, 'subscribed');
			this.all.push(...some);
		}
	}

	get told() {
		return this.all.filter(one => one.told).length;
	}

	/* ---- what happens ---- */

	pids() {
		return this.daemon.workers().map(worker => worker.pid);
	}

	async reload() {
		const known = this.pids();
		this.daemon.process.kill('SIGHUP');
		await until(() => this.pids().filter(pid => !known.includes(pid)).length >= this.workers, DEADLINE_MS, 'new workers');
	}

	async settle() {
		const behind = () => this.all.filter((one, i) => !one.isAt(this.revisions[i % this.documents]));
		await until(
			() => !behind().length,
			DEADLINE_MS,
			() => `all have all; behind are ${behind().length}, such as ${behind()[0]?.id} at ${JSON.stringify(behind()[0]?.held)} of ${this.revisions}`,
		);
	}

	async disturb() {
		const { subscribers } = this, start = performance.now();
		await turn(500); // some writes before
		await this.reload();
		await until(() => this.told >= subscribers / 2, this.drainTimeout * 1000 + DEADLINE_MS, () => `half of all are told; ${this.told} are`);
		await this.reload();
		const former = () => this.pids().length > this.workers;
		await until(() => this.told === subscribers && !former(), this.drainTimeout * 1000 + DEADLINE_MS, () => `the former workers end; told ${this.told}, workers ${this.pids()}`);
		this.seconds = (performance.now() - start) / 1000;
	}

	checkLog() {
		for (const line of this.daemon.stderr.matchAll(/.*(while draining|not drained in time|left after drain_timeout).*/g))
			if (!this.tally.late || !/left after drain_timeout/.test(line[0])) this.fault(line[0]);
	}

	async run() {
		const settings = {
			workers: this.workers,
			drain_rate: this.drainRate,
			drain_timeout: this.drainTimeout,
			'limits.per_address': 0,
			...this.settings,
		};
		const pair = await startPair({ settings });
		this.daemon = pair.daemon;
		try {
			for (let number = 0; number < this.documents; number++) await this.writeOne(this.daemon.rest, number);
			await this.connect();
			const writers = Promise.all(Array.from({ length: this.writers }, (_, writer) => this.write(writer)));
			try {
				await this.disturb();
			} finally {
				this.writing = false;
				await writers;
			}
			await this.settle();
			for (const [number, revision] of this.revisions.entries()) {
				const document = assertStatus(await this.daemon.client().get(documentPath(SERVICE, `d${number}`)), 200);
				if (document.revision !== revision || document.data.n !== revision) this.fault(`d${number}: ${JSON.stringify(document)} after ${revision} writes`);
			}
			this.checkLog();
		} finally {
			for (const one of this.all ?? []) one.end();
			await pair.stop();
		}
		return this.figures();
	}

	figures() {
		const { events, live, replayed, snapshot, resyncs, closes, late, awayMs } = this.tally;
		const away = awayMs.sort((a, b) => a - b), goaways = this.all.reduce((sum, one) => sum + one.told, 0);
		return {
			faults: this.faults,
			log: this.daemon.stderr.slice(-6000),
			subscribers: this.all.length,
			told: this.told,
			goaways,
			closedByServer: closes.length,
			late, // clients that did not leave in their time
			seconds: this.seconds,
			writes: this.writes,
			sentAgain: this.sentAgain,
			events,
			live,
			replayed,
			snapshots: snapshot - this.all.length, // beyond the first ones
			resyncs: resyncs.length,
			awayMedianMs: away[away.length >> 1],
			awayMostMs: away.at(-1),
		};
	}
}

// Resolves to figures, of which `faults` must be empty.
export function runReload(options) {
	return new Run({ subscribers: 2000, documents: 50, writers: 8, rate: 250, workers: 2, drainRate: 200, drainTimeout: 30, settings: {}, ...options }).run();
}

function parseArguments(words) {
	const options = {};
	for (let i = 0; i < words.length; i += 2) {
		const name = words[i].replace(/^--/, '').replace(/-(.)/g, (_, letter) => letter.toUpperCase());
		if (!['subscribers', 'documents', 'writers', 'rate', 'workers', 'drainRate', 'drainTimeout'].includes(name) || !(Number(words[i + 1]) > 0))
			throw new Error(`what is ${words[i]} ${words[i + 1]}?`);
		options[name] = Number(words[i + 1]);
	}
	return options;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
	const { faults, log, ...figures } = await runReload(parseArguments(process.argv.slice(2)));
	for (const [name, value] of Object.entries(figures)) console.log(`reload: ${name} ${Math.round(value * 100) / 100}`);
	for (const fault of faults.slice(0, 20)) console.error(`reload: FAULT ${fault}`);
	if (faults.length) console.error(`reload: the last of the log:\n${log}`);
	console.log(`reload: ${faults.length ? `FAULTS ${faults.length}` : 'ok'}`);
	process.exit(faults.length ? 1 : 0);
}
