import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What a release is decided on. */
export interface ReleaseState {
  readonly version: string;
  /** Versions in the package.json files of the published packages. */
  readonly packages: Readonly<Record<string, string>>;
  readonly changelog: string;
  /** Output of `git status --porcelain`. */
  readonly status: string;
  readonly branch: string;
  /** Does a tag of this version exist? */
  readonly isTagged: boolean;
}

const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/;

/** The text of a version's section in the changelog; undefined if it has none. */
export const sectionOf = (changelog: string, version: string): string | undefined => {
  const heading = new RegExp(`^## \\[?${version.replaceAll('.', '\\.')}\\]?(?: .*)?$`, 'm').exec(changelog);
  if (heading === null) return undefined;
  const rest = changelog.slice(heading.index + heading[0].length);
  const next = /^## /m.exec(rest);
  return rest.slice(0, next?.index ?? rest.length).trim();
};

/** Why this version may not be released, one sentence each; empty if it may. */
export const problemsOf = ({ version, packages, changelog, status, branch, isTagged }: ReleaseState): readonly string[] => {
  const section = sectionOf(changelog, version);
  return [
    ...(semantic.test(version) ? [] : [`${version} is no semantic version`]),
    ...Object.entries(packages)
      .filter(([, its]) => its !== version)
      .map(([name, its]) => `${name} has version ${its}, not ${version}`),
    ...(section === undefined || section === '' ? [`CHANGELOG.md has no entry for ${version}`] : []),
    ...(status.trim() === '' ? [] : ['the working tree has uncommitted changes']),
    ...(branch === 'main' ? [] : [`releases are made on main, not on ${branch}`]),
    ...(isTagged ? [`the tag v${version} exists already`] : []),
  ];
};

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: root, encoding: 'utf8' });
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const versionIn = (path: string): string => (JSON.parse(read(path)) as { version: string }).version;

const main = (): void => {
  const [version] = process.argv.slice(2);
  if (version === undefined || version === '--help') {
    console.log('npm run release -- VERSION: checks that VERSION may be released, runs npm run check, and packs both packages.');
    process.exitCode = version === undefined ? 2 : 0;
    return;
  }
  const problems = problemsOf({
    version,
    packages: { 'client-sdk': versionIn('client-sdk/package.json'), server: versionIn('server/package.json') },
    changelog: read('CHANGELOG.md'),
    status: run('git', 'status', '--porcelain'),
    branch: run('git', 'rev-parse', '--abbrev-ref', 'HEAD').trim(),
    isTagged: run('git', 'tag', '--list', `v${version}`).trim() !== '',
  });
  if (problems.length > 0) {
    for (const problem of problems) console.error(problem);
    process.exitCode = 1;
    return;
  }
  execFileSync('npm', ['run', 'check'], { cwd: root, stdio: 'inherit' });
  for (const folder of ['client-sdk', 'server']) console.log(run('npm', 'pack', `--workspace=${folder}`).trim());
  console.log(`packed; publish the tarballs, then: git tag v${version}`);
};

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
