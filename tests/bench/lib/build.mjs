// build.mjs: which build is measured: $SYNCDOC_BUILD, else build-release. To be imported before the harness, which looks too.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const BUILD = path.resolve(process.env.SYNCDOC_BUILD ?? path.join(ROOT, 'build-release'));
process.env.SYNCDOC_BUILD = BUILD;

for (const program of ['daemon/syncdocd', 'tests/bench/load', 'tests/bench/floor'])
	if (!fs.existsSync(path.join(BUILD, program))) {
		console.error(`${BUILD}/${program} is not there: meson setup build-release -Dbuildtype=release; meson compile -C build-release bench`);
		process.exit(2);
	}
