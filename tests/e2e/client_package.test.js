// client_package.test.js: the JavaScript client as its users get it: packed, installed into an empty project, typed, and as its README says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as client from '../../workers/web/client/realtime.js';
import { makeDirectory, startPair } from './harness.js';

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url)), source = path.resolve(here, '../../workers/web/client');
const RUN_MS = 120000;
let pair, project, packed;

// Nothing from outside: what the project needs is the tarball, and `ws` as it lies here.
async function inProject(command, ...words) {
	const env = { ...process.env, npm_config_cache: path.join(project, '.cache'), npm_config_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false', npm_config_update_notifier: 'false' };
	delete env.NODE_TEST_CONTEXT;
	try {
		return await run(command, words, { cwd: project, env, timeout: RUN_MS });
	} catch (error) {
		throw new Error(`${command} ${words.join(' ')}: ${error.message}\n${error.stdout}\n${error.stderr}`);
	}
}

const runModule = (name, text) => {
	fs.writeFileSync(path.join(project, name), text);
	return inProject(process.execPath, name);
};

before(async () => {
	pair = await startPair();
	project = makeDirectory('client-project');
	const { stdout } = await inProject('npm', 'pack', '--json', '--pack-destination', project, source);
	const [{ filename, files }] = JSON.parse(stdout);
	packed = files.map(file => file.path).sort();
	fs.writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
	await inProject('npm', 'install', `./${filename}`, path.join(here, 'node_modules/ws'));
});
after(() => pair?.stop());

describe('the package', () => {
	test('has all modules, the types and the README, and nothing else', () => {
		const modules = fs.readdirSync(path.join(source, 'realtime')).map(name => `realtime/${name}`);
		assert.deepEqual(packed, ['README.md', 'package.json', 'realtime.d.ts', 'realtime.js', ...modules].sort());
	});

	test('works with import in an empty project', async () => {
		const { stdout } = await runModule('first.mjs', `
			import WebSocket from 'ws';
			import Default, { Realtime, applyDiff } from 'syncdoc-client';
			const realtime = new Realtime(${JSON.stringify(pair.daemon.url)}, { WebSocket });
			const { revision } = await realtime.sync.create('packed', { n: 1 });
			realtime.close();
			console.log(JSON.stringify([revision, Default === Realtime, applyDiff({}, { added: { a: 1 } })]));`);
		assert.deepEqual(JSON.parse(stdout), [1, true, { a: 1 }]);
	});

	test('needs nothing but itself: every import is one of its own files', () => {
		for (const name of ['realtime.js', ...fs.readdirSync(path.join(source, 'realtime')).map(one => `realtime/${one}`)])
			for (const [, target] of fs.readFileSync(path.join(source, name), 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)) {
				// One address serves /realtime.js, others what lies under /realtime/.
				assert.match(target, name === 'realtime.js' ? /^\.\/realtime\/[a-z_]+\.js$/ : /^\.\/[a-z_]+\.js$/, `${name} imports ${target}`);
				assert.ok(fs.existsSync(path.resolve(source, path.dirname(name), target)), `${name} imports ${target}`);
			}
	});
});

describe('the types', () => {
	test('hold what users write, checked by tsc --strict', async () => {
		fs.copyFileSync(path.join(here, 'types/client.ts'), path.join(project, 'client.ts'));
		await inProject(process.execPath, path.join(here, 'node_modules/typescript/bin/tsc'), '--strict', '--noEmit', '--noUnusedLocals', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', 'client.ts');
	});

	test('name what is there, and no more', () => {
		const declared = [...fs.readFileSync(path.join(source, 'realtime.d.ts'), 'utf8').matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name);
		assert.deepEqual([...declared, 'default'].sort(), Object.keys(client).sort());
	});

	test('name every member that the classes have', async () => {
		const types = fs.readFileSync(path.join(source, 'realtime.d.ts'), 'utf8');
		const realtime = new client.Realtime('http://127.0.0.1:1', { WebSocket: class {}, autoConnect: false });
		for (const object of [realtime.sync, realtime.presence, client.Realtime.prototype, client.LiveDocument.prototype])
			for (const name of Object.getOwnPropertyNames(Object.hasOwn(object, 'constructor') ? object : Object.getPrototypeOf(object)))
				if (!['constructor', 'listenerFailed', 'open', 'report'].includes(name)) assert.match(types, new RegExp(`\\b${name}\\b`), name);
	});
});

const examplesOf = file => [...fs.readFileSync(file, 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) => text);

describe('the README', () => {
	const blocks = examplesOf(path.join(source, 'README.md'));

	test('its first example runs as it stands', async () => {
		const { stdout } = await runModule('example.mjs', blocks[0].replace('http://127.0.0.1:8080', pair.daemon.url));
		assert.match(stdout, /somebody was faster: now at 2/);
		const told = [...stdout.matchAll(/^sync\.session\.(\w+) doc_\w{12} (\d) \{/gm)].map(([, event, revision]) => `${event} ${revision}`);
		assert.deepEqual(told, ['created 1', 'updated 2', 'updated 3', 'deleted 4']);
	});

	test('so does that of the project', async () => {
		const [example] = examplesOf(path.resolve(source, '../../../README.md'));
		const { stdout } = await runModule('project.mjs', example.replace('http://127.0.0.1:8080', pair.daemon.url));
		assert.match(stdout, /sync\.session\.created doc_1 1 \{/);
		assert.match(stdout, /created \{ n: 1 \} \{ added: \{ n: 1 \}/);
		assert.match(stdout, /updated \{ n: 1, status: 'active' \} \{ added: \{ status: 'active' \}/);
	});

	test('its other examples run behind a connection', async () => {
		assert.equal(blocks.length, 3);
		for (const [i, text] of blocks.slice(1).entries())
			await runModule(`other${i}.mjs`, `
				import WebSocket from 'ws';
				import { Realtime } from 'syncdoc-client';
				const realtime = new Realtime(${JSON.stringify(pair.daemon.url)}, { WebSocket }), render = () => {}, showGone = () => {}, showWhoIsHere = () => {};
				await realtime.sync.mutate('board', 'b1', () => {}, { initial: { cards: [], title: '' } });
				${text}
				realtime.close();`);
		const board = (await pair.rest.get('/v1/services/board/documents/b1')).json;
		assert.deepEqual(board.data, { cards: [{ title: 'new' }], title: 'Plan' });
	});
});
