export { createRegistry, type Registry } from './create-registry.ts';
export { ConfigError, loadConfig, settings, type Config } from './config.ts';
