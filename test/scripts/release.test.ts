import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../support/imports.ts';

type Problems = (state: Readonly<Record<string, unknown>>) => readonly string[];

/** The check of the release script, which is no part of a package and runs from source. */
const problemsOf: Problems = (state) => {
  const program = `
    import { problemsOf } from ${JSON.stringify(join(root, 'scripts', 'release.ts'))};
    process.stdout.write(JSON.stringify(problemsOf(${JSON.stringify(state)})));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: root,
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as string[];
};

const fine = {
  version: '1.2.0',
  packages: { 'client-sdk': '1.2.0', server: '1.2.0' },
  changelog: '# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-12-01\n\n- Something.\n\n## 1.1.0\n\n- Older.\n',
  status: '',
  branch: 'main',
  isTagged: false,
};

describe('the release script', () => {
  it('lets a version through that has an entry, matching packages and a clean tree', function () {
    this.timeout(30_000);
    expect(problemsOf(fine)).to.deep.equal([]);
  });

  const refusals: readonly (readonly [rule: string, change: Readonly<Record<string, unknown>>, sentence: RegExp])[] = [
    ['without an entry in the changelog', { changelog: '# Changelog\n\n## Unreleased\n\n- Something.\n' }, /no entry/],
    ['with an empty entry', { changelog: '## 1.2.0\n\n## 1.1.0\n\n- Older.\n' }, /no entry/],
    ['with a package of another version', { packages: { 'client-sdk': '1.2.0', server: '1.1.9' } }, /server has version 1\.1\.9/],
    ['with uncommitted changes', { status: ' M README.md\n' }, /uncommitted/],
    ['on another branch', { branch: 'draft' }, /on main/],
    ['that was released already', { isTagged: true }, /exists already/],
    ['that is no semantic version', { version: '1.2', packages: {} }, /semantic version/],
  ];
  for (const [rule, change, sentence] of refusals) {
    it(`blocks a release ${rule}`, function () {
      this.timeout(30_000);
      expect(problemsOf({ ...fine, ...change }).join('\n')).to.match(sentence);
    });
  }
});
