"""Decides whether a client may follow one more run or list: the places for pages that follow are limited."""

from viewer.errors import RETRY_S, Failure


def check_place(places: int, taken: int, of_client: int, what: str) -> None:
    """Return if one more page may follow.

    A client has at most half of the places, so one client alone does not take those of all others.

    Args:
        places: how many there are.
        taken: how many of them are taken, by any client.
        of_client: how many of them the client has.
        what: what takes a place, in the plural.

    Raises:
        Failure: 429 if the client has half of the places, 503 if all are taken.
    """
    retry = {"Retry-After": str(RETRY_S)}
    most = (places + 1) // 2
    if of_client >= most:
        raise Failure(
            429, f"This client has {most} {what} already, the most for one client: close some.", headers=retry
        )
    if taken >= places:
        raise Failure(
            503, f"All clients together have {places} {what}, the most that there can be: close some.", headers=retry
        )
