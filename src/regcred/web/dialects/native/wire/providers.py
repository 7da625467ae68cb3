"""What is known of each family of registries."""

from __future__ import annotations

from pydantic import Field

from regcred.domain.ports import Family
from regcred.web.dialects.native.wire.common import Shape
from regcred.web.shapes import example


class Provider(Shape):
    """One family of registries: where it is, and what a login there is made of."""

    model_config = example(
        slug="quay",
        title="Quay",
        registries=["quay.io"],
        anywhere=True,
        settings=["realm", "ca_bundle"],
        help="Type in a robot account's whole name (NAMESPACE+NAME) and its token, with the "
        "permission Read on the repositories.",
        lifetime="A robot's token until it is made anew.",
        link="https://docs.quay.io/glossary/robot-accounts.html",
    )

    slug: str = Field(description="The `provider` of its credentials.")
    title: str = Field(description="What people call it.")
    registries: list[str] = Field(
        description="Which registries a login is for that names none; each * stands for one "
        "label of a host."
    )
    anywhere: bool = Field(description="Whether it is also found at hosts of its users' own.")
    settings: list[str] = Field(description="What the `settings` of its credentials may name.")
    help: str = Field(
        description="What to type in, for people, with the narrowest right that a pull needs."
    )
    lifetime: str = Field(description="How long what is typed in works, for people.")
    link: str | None = Field(description="Where its makers say how to make a login.")

    @classmethod
    def of(cls, family: Family) -> Provider:
        """Render a family."""
        return cls(
            slug=family.slug,
            title=family.title,
            registries=list(family.registries),
            anywhere=family.anywhere,
            settings=list(family.settings),
            help=family.help,
            lifetime=family.lifetime,
            link=family.link or None,
        )


class ProviderList(Shape):
    """Every family, the one of any registry last."""

    items: list[Provider]
    next_cursor: None = Field(default=None, description="Always null: they come on one page.")
