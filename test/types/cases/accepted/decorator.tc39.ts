import { SingleFlight } from 'nestjs-singleflight';

function logged<M extends (...args: never[]) => unknown>(method: M, context: ClassMethodDecoratorContext): M {
  void context.name;
  return method;
}

export class Users {
  @logged
  @SingleFlight((id: string) => id)
  async below(id: string) {
    return id;
  }

  @SingleFlight((id: string) => id)
  @logged
  async above(id: string) {
    return id;
  }
}

export class Private {
  @SingleFlight((id: string) => id)
  async #find(id: string) {
    return id;
  }

  find = (id: string) => this.#find(id);
}

export const Anonymous = class {
  @SingleFlight((id: string) => id)
  async find(id: string) {
    return id;
  }
};
