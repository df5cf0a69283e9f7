import { operations } from '@rollcall/server/internal/operations/operation-table';
import { describeHttp } from '@rollcall/server/internal/app/pages';
import { expect } from 'chai';

type Json = Readonly<Record<string, unknown>>;

interface Described extends Json {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Json>>;
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Json }>> };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Json }[];
  readonly security: readonly Json[];
}

/** As it is sent: what JSON leaves out is not there. */
const document = JSON.parse(JSON.stringify(describeHttp(operations))) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, Json>>>>;
};

const at = (path: string, method: string): Described => {
  const found = document.paths[path]?.[method];
  if (found === undefined) throw new Error(`${method} ${path} is not described`);
  return found;
};

const resolve = (pointer: string): unknown =>
  pointer
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((one, key) => (one as Json | undefined)?.[key], document);

const resolved = (response: Json | undefined): Json =>
  typeof response?.['$ref'] === 'string' ? (resolve(response['$ref']) as Json) : (response ?? {});

const references = (value: unknown): string[] => {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => (key === '$ref' && typeof one === 'string' ? [one] : references(one)));
};

describe('the OpenAPI document', () => {
  it('describes every route of every row, with its successes and failures', () => {
    for (const { name, row } of operations.values()) {
      for (const route of row.http) {
        const [method = '', path = ''] = route.split(' ');
        const one = at(path.replaceAll(/:(\w+)/g, '{$1}'), method.toLowerCase());
        expect(one['x-event'], route).to.equal(name);
        const statuses = Object.keys(one.responses);
        expect(
          statuses.filter((status) => status.startsWith('2')),
          route,
        ).to.not.deep.equal([]);
        expect(statuses, route).to.include.members(['429', '431', '500', '503']);
        if (!('public' in row.access)) expect(statuses, route).to.include.members(['401']);
      }
    }
  });

  it('names each operation once, and refers to nothing that is not there', () => {
    const ids = Object.values(document.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
    expect(new Set(ids).size).to.equal(ids.length);
    const pointers = references(document);
    expect(pointers.length).to.be.above(100);
    expect(pointers.filter((pointer) => resolve(pointer) === undefined)).to.deep.equal([]);
  });

  it('says the letter of the access control API', () => {
    const user = at('/api/users/{id}', 'get').responses['200']?.['content'] as Json;
    const { schema } = user['application/json'] as { schema: { properties: Json } };
    expect(schema.properties).to.include.keys('mfa_is_enrolled').and.not.any.keys('mfaIsEnrolled');
    expect(at('/api/users', 'post').responses).to.include.keys('201', '400', '409').and.not.any.keys('200', '422');
    expect(at('/api/users/{id}', 'delete').responses['204']).to.not.have.property('content');
    expect(at('/api/users/batch', 'post').requestBody?.content['application/json']?.schema).to.include({ type: 'array' });
    expect(at('/api/roles', 'get').parameters?.map(({ name }) => name)).to.include.members(['name', 'name[eq]']);
  });

  it("says Meshblu's statuses, and the envelope of the access token API", () => {
    expect(at('/v2/devices/{uuid}', 'patch').responses).to.include.keys('204', '422').and.not.any.keys('200', '400');
    const read = at('/v2/devices/{uuid}', 'get').responses;
    expect(resolved(read['404'])['description']).to.include('`forbidden`');
    expect(resolved(read['403'])['description']).not.to.include('`forbidden`');
    const { responses } = at('/api/v2/auth/token', 'post');
    const failure = resolved(responses['401'])['content'] as { 'application/json': { schema: { required: string[] } } };
    expect(failure['application/json'].schema.required).to.have.members(['errorCode', 'errorMessage', 'content', 'pageable']);
  });

  it('lets whoever may call without proof do so', () => {
    expect(at('/api/login', 'post').security).to.deep.include({});
    expect(at('/v2/whoami', 'get').security).to.not.deep.include({});
  });
});
