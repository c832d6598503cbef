// unharmed.js: what stays as it was, whatever clients send.
import assert from 'node:assert/strict';

export class Unharmed {
	constructor(...daemons) {
		this.daemons = daemons;
		this.workers = this.#workerPids();
	}

	#workerPids() {
		return this.daemons.flatMap(daemon => daemon.workers().map(worker => worker.pid)).sort();
	}

	// The same workers, and the first daemon serves: asked more often than it has workers.
	async check() {
		assert.deepEqual(this.#workerPids(), this.workers, `a worker has died: ${this.daemons[0].stderr.slice(-3000)}`);
		for (let i = 0; i < 4; i++) assert.equal((await this.daemons[0].readiness()).status, 200);
	}
}
