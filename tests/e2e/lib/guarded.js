// guarded.js: a daemon that takes the tokens of one key, and who makes them.
import assert from 'node:assert/strict';
import path from 'node:path';
import { Daemon } from './daemon.js';
import { makeDirectory } from './process.js';
import { assertStatus, documentPath } from './rest.js';
import { bearer, jwtSettings, secret, token, writeFile } from './token.js';

export const ALL_RIGHTS = { '*': 'rwpa' };

export class Guarded {
	#key = secret();

	static async start(redis) {
		const guarded = new Guarded();
		const file = writeFile(path.join(makeDirectory('auth'), 'key'), guarded.#key);
		guarded.daemon = await Daemon.start({ redis, settings: jwtSettings(file, { 'log.level': 'debug', 'log.access': 'yes' }) });
		guarded.rest = guarded.daemon.rest;
		guarded.admin = bearer(guarded.token(ALL_RIGHTS, { sub: 'root' })); // headers
		return guarded;
	}

	token(rights, claims) {
		return token(rights, this.#key, { claims });
	}

	// Options of a connection.
	as(rights, claims) {
		return { headers: bearer(this.token(rights, claims)) };
	}

	// Makes a document.
	async put(service, id, data = {}) {
		return assertStatus(await this.rest.put(documentPath(service, id), { data }, this.admin), 201);
	}

	async stop() {
		await this.daemon.stop();
		assert.doesNotMatch(this.daemon.stderr, /eyJ/, 'a token in the log');
	}
}
