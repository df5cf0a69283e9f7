/** A page that does not belong to an operation. */
export interface Page {
  readonly path: string;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The text of the page; `status` default 200. */
  read(): Promise<{ readonly status?: number; readonly text: string }> | { readonly status?: number; readonly text: string };
}
