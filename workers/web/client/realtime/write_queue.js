// write_queue.js: writes made without a connection, done one after the other when it is back.
import { RealtimeError } from './errors.js';

export class WriteQueue {
	#waiting = [];
	#running = false;

	constructor({ connection, max }) {
		Object.assign(this, { connection, max });
	}

	// While older ones wait, younger ones must not overtake them.
	get isNeeded() {
		return !this.connection.isOpen || this.#running || this.#waiting.length > 0;
	}

	get size() {
		return this.#waiting.length;
	}

	// Resolves or rejects as `work()` will.
	add(work) {
		if (this.#waiting.length >= this.max) return Promise.reject(new RealtimeError('queue_full', `${this.max} writes wait for a connection already`));
		return new Promise((resolve, reject) => {
			this.#waiting.push({ work, resolve, reject });
			this.run();
		});
	}

	async run() {
		if (this.#running) return;
		this.#running = true;
		while (this.connection.isOpen && this.#waiting.length) {
			const { work, resolve, reject } = this.#waiting.shift();
			// The next one goes when this one is done, also if it was refused.
			await work().then(resolve, reject);
		}
		this.#running = false;
	}

	rejectAll(errorOfEach) {
		for (const { reject } of this.#waiting.splice(0)) reject(errorOfEach());
	}
}
