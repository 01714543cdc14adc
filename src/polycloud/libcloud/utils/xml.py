"""Libcloud's `utils.xml`: elements by paths whose names are all of one namespace."""

from __future__ import annotations

from xml.etree.ElementTree import Element


def fixxpath(xpath: str, namespace: str | None = None) -> str:
    """Put all names of a path into a namespace: "a/b" becomes "{namespace}a/{namespace}b"."""
    if not namespace:
        return xpath
    return "/".join(f"{{{namespace}}}{name}" for name in xpath.split("/"))


def findtext(
    element: Element, xpath: str, namespace: str | None = None, no_text_value: str = ""
) -> str | None:
    """Return the text of the first element at a path, or `no_text_value`; None if there is no element."""
    found = element.find(fixxpath(xpath, namespace))
    return None if found is None else found.text or no_text_value


def findattr(element: Element, xpath: str, namespace: str | None = None) -> str | None:
    """Return the text of the first element at a path, None if there is none."""
    return element.findtext(fixxpath(xpath, namespace))


def findall(element: Element, xpath: str, namespace: str | None = None) -> list[Element]:
    """Return the elements at a path."""
    return element.findall(fixxpath(xpath, namespace))
