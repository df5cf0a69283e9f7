import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** A browser bundle, and what went into it. */
export interface Bundle {
  readonly text: string;
  /** Paths of the bundled files. */
  readonly files: readonly string[];
}

/** Bundles a module for a page, as an application would: minified, from the built packages. */
export const bundle = async (source: string): Promise<Bundle> => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return { text: outputFiles[0]?.text ?? '', files: Object.keys(metafile.inputs) };
};
