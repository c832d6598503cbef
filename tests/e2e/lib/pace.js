// pace.js: how long the machine, or one of the processes, did not get on with its work, so that a bound of the contract ("within a
// second") can be asserted of a server on a machine that stands still now and then: what is asserted is the time in which all ran.
import { controlPath, ControlClient } from './control.js';
import { Rest } from './rest.js';
import { turn } from './wait.js';

const EVERY_MS = 10,
	PROMPT_MS = 150; // whoever answers a trifle later than that was held up; a busy machine alone is not

export class Pace {
	#delays = []; // [from, to], by the clock that the server's timestamps have
	#open = new Set(); // {since}: probes under way
	#closing = [];
	#running = true;

	// Of these daemons' supervisors and workers, of this Redis, and of this process.
	static async start({ daemons = [], redis }) {
		const pace = new Pace();
		pace.#repeat(() => undefined);
		if (redis) {
			const client = await redis.connect();
			pace.#repeat(() => client.command('PING'), () => client.close());
		}
		for (const daemon of daemons) {
			const control = await ControlClient.connect(controlPath(daemon)), rest = new Rest(daemon.url, { keepAlive: false });
			pace.#repeat(() => control.ask({ verb: 'loglevel' }), () => control.close());
			// A connection each time, and so any of the workers.
			pace.#repeat(() => rest.get('/livez'), () => rest.close());
		}
		return pace;
	}

	async #repeat(probe, close = () => {}) {
		this.#closing.push(close);
		while (this.#running) {
			const one = { since: Date.now() };
			this.#open.add(one);
			await turn(EVERY_MS);
			if (!this.#running) return;
			try {
				await probe();
			} catch {
				await turn(EVERY_MS); // it is away: others measure that
			}
			this.#open.delete(one);
			const now = Date.now();
			if (now - one.since > EVERY_MS + PROMPT_MS) this.#delays.push([one.since, now]);
		}
	}

	// Milliseconds of that time in which somebody was held up.
	heldUpMs(from, to = Date.now()) {
		const now = Date.now();
		const all = [...this.#delays, ...[...this.#open].filter(({ since }) => now - since > EVERY_MS + PROMPT_MS).map(({ since }) => [since, now])];
		let sum = 0, end = from;
		for (const [began, ended] of all.sort(([a], [b]) => a - b)) {
			const first = Math.max(began, end), last = Math.min(ended, to);
			if (last > first) sum += last - first;
			end = Math.max(end, last);
		}
		return sum;
	}

	// What of that time they ran: this is what a bound is about.
	ranMs(from, to = Date.now()) {
		return to - from - this.heldUpMs(from, to);
	}

	stop() {
		this.#running = false;
		for (const close of this.#closing) close();
	}
}
