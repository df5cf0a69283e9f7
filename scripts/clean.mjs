import { rmSync } from 'node:fs';

/** `npm run clean`: removes what the build has written, so that a deleted source leaves no test behind. */
for (const workspace of ['client-sdk', 'server', 'test', 'bench'])
  rmSync(new URL(`../${workspace}/dist`, import.meta.url), { recursive: true, force: true });
