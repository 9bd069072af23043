"""Request bodies of prices and budgets."""

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.compute.costs import Prices


class PricesRequest(BaseModel):
    """A whole price list; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    currency: str = Field(default="EUR", max_length=8, description="For people; nothing is converted.")
    cpu_hour: float = Field(default=Prices().cpu_hour, ge=0, description="Of one core that computes.")
    memory_gib_hour: float = Field(default=Prices().memory_gib_hour, ge=0, description="Of one GiB that is held.")
    gpu_hour: float = Field(default=Prices().gpu_hour, ge=0, description="Of one GPU that is held.")
    spot_factor: float = Field(default=Prices().spot_factor, ge=0, le=1, description="Spot jobs cost this part of it.")
    reserved_factor: float = Field(
        default=Prices().reserved_factor, ge=0, description="Reserved capacity costs this part of it, used or not."
    )
    storage_gib_month: float = Field(
        default=Prices().storage_gib_month, ge=0, description="Of one GiB that is stored for 730 hours."
    )
    traffic_gib: float = Field(
        default=Prices().traffic_gib, ge=0, description="Of one GiB of requests and answers at the gateway."
    )
    watts_per_core: float = Field(default=Prices().watts_per_core, ge=0, description="Of one computing core.")
    watts_per_gib: float = Field(default=Prices().watts_per_gib, ge=0, description="Of one GiB that is held.")

    def prices(self) -> Prices:
        """As plain data."""
        return Prices(**self.model_dump())


class BudgetRequest(BaseModel):
    """What a project may spend in a calendar month."""

    model_config = ConfigDict(extra="forbid")

    amount: float = Field(ge=0, description="In the currency of the price list.", examples=[100])
    alert_share: float = Field(default=0.8, gt=0, le=1, description="Part of it from which on there is an alert.")
    stops: bool = Field(default=False, description="Once it is spent, jobs are stopped and new ones refused.")
