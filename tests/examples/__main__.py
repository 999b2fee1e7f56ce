"""Write the examples again; see the package."""

from tests.examples.files import write

if __name__ == "__main__":
    write()
