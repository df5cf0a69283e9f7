/** A page that is no operation. */
export interface Page {
  readonly path: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The text of the page; `status` default 200. */
  read(): Promise<{ readonly status?: number; readonly text: string }> | { readonly status?: number; readonly text: string };
}
