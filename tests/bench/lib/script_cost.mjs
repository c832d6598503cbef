// script_cost.mjs: what write.lua costs Redis alone: the very call of a 1 KB replace, repeated by redis-benchmark.
//
// MONITOR gives the arguments of a real write. Two of them are changed so that each call is the same whole write again, on one of
// `documents` documents: the envelope it stores carries the revision that it expects as its base, and the history entry's ID is `*`. Nobody
// is subscribed, so PUBLISH is at its cheapest.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { BUILD, ROOT } from './build.mjs';
import { Redis, until } from '../../e2e/harness.js';
import { CLIENT_CPU, SERVER_CPU, cpuSeconds, pin, pinned } from './machine.mjs';
import { SERVICE, documentPath } from './servers.mjs';

const WRITES = 4, // the first creates, and may go as EVAL
	ID = '000000000000', // what redis-benchmark makes of __rand_int__ has 12 digits
	ENTRY_ID = 18; // ARGV of the first revision's entry ID

// A word as MONITOR prints it.
function unquote(text) {
	const plain = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };
	return text.replace(/\\(x[0-9a-f]{2}|.)/g, (_, code) => (code[0] === 'x' && code.length === 3 ? String.fromCharCode(parseInt(code.slice(1), 16)) : (plain[code] ?? code)));
}

// [EVALSHA, sha, 8, keys…, arguments…] of a replace.
async function captureCall(server, bytes) {
	const socket = net.connect(server.redis.socket);
	let text = '';
	socket.setEncoding('latin1');
	socket.on('data', data => (text += data));
	await new Promise(resolve => socket.on('connect', resolve));
	socket.write('MONITOR\r\n');
	const fixed = '{"at_ns":"0000000000000000000","pad":""}'.length;
	for (let i = 0; i < WRITES; i++) {
		const data = { at_ns: String(i).padStart(19, '0'), pad: 'x'.repeat(bytes - fixed) };
		const answer = await server.daemon.rest.put(documentPath.replace('%i', ID), { data });
		if (answer.status !== 200 && answer.status !== 201) throw new Error(answer.text);
	}
	const call = await until(
		() => text.split('\n').filter(line => line.includes('"EVALSHA"') && line.includes(`"syncdoc:data:${SERVICE}:d${ID}" `) && line.includes('"syncdoc:sequence"'))[WRITES - 2],
		15000,
		'MONITOR shows the write',
	);
	socket.destroy();
	return [...call.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(match => unquote(match[1]));
}

function repeatable(call) {
	const words = [...call],
		argument = n => 2 + Number(call[2]) + n; // ARGV[n], as write.lua counts
	const base = { revision: words[argument(2)], updatedAt: words[argument(3)] };
	words[argument(4)] = words[argument(4)].replace(/^\{"revision":\d+,"updatedAt":\d+,/, `{"revision":${base.revision},"updatedAt":${base.updatedAt},`);
	words[argument(ENTRY_ID)] = '*';
	return { words, envelope: words[argument(4)], data: words[3] };
}

const ofId = (text, id) => text.replaceAll(`d${ID}`, `d${id}`);

// CPU of redis-server per call in µs, and calls a second. `server`: where the call is taken from.
export async function scriptCost(server, { bytes, connections, documents, calls }) {
	const { words, envelope, data } = repeatable(await captureCall(server, bytes));
	const redis = await Redis.start();
	try {
		pin([redis.process.pid], SERVER_CPU);
		await redis.command('SCRIPT', 'LOAD', scriptText(words[1]));
		for (let i = 0; i < documents; i++) {
			const id = String(i).padStart(12, '0');
			await redis.command('SET', ofId(data, id), ofId(envelope, id));
		}
		const benchmark = count => {
			const args = ['-s', redis.socket, '-n', String(count), '-c', String(connections), '-P', '1', '-r', String(documents), '-q', ...words.map(word => ofId(word, '__rand_int__'))];
			return execFileSync(...pinned(CLIENT_CPU, 'redis-benchmark', args), { encoding: 'utf8' });
		};
		benchmark(documents * 110); // the histories are as long as they get
		const sequence = async () => Number(await redis.command('GET', 'syncdoc:sequence'));
		const written = await sequence(),
			before = cpuSeconds([redis.process.pid]),
			began = process.hrtime.bigint();
		benchmark(calls);
		const used = cpuSeconds([redis.process.pid]) - before;
		const seconds = Number(process.hrtime.bigint() - began) / 1e9;
		if ((await sequence()) - written !== calls) throw new Error('not every call was a write');
		return { us: (used * 1e6) / calls, perSecond: calls / seconds };
	} finally {
		await redis.stop();
	}
}

// The script is embedded as it stands in its file.
function scriptText(sha) {
	const text = fs.readFileSync(path.join(ROOT, 'common/scripts/write.lua'), 'utf8');
	if (createHash('sha1').update(text).digest('hex') !== sha) throw new Error(`write.lua is not the script that ${BUILD} calls`);
	return text;
}
