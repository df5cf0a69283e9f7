// The library's decorators need it, before the library itself.
import 'reflect-metadata';

export * as x509 from '@peculiar/x509';
