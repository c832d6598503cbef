// revisions.js: the last revision seen of each document; of the most recent ones, when there are too many.

export class Revisions {
	#seen = new Map(); // 'service:id' → revision, least recently changed first

	constructor(max) {
		this.max = max;
	}

	static key(service, id) {
		return `${service}:${id}`;
	}

	get(key) {
		return this.#seen.get(key);
	}

	set(key, revision) {
		this.#seen.delete(key);
		this.#seen.set(key, revision);
		if (this.#seen.size > this.max) this.#seen.delete(this.#seen.keys().next().value);
	}

	delete(key) {
		this.#seen.delete(key);
	}

	// Those whose key fits.
	forget(fits) {
		for (const key of [...this.#seen.keys()]) if (fits(key)) this.#seen.delete(key);
	}
}
